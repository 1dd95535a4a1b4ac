#!/usr/bin/env bash
# Each C block of docs/structured-concurrency.md is, letter for letter, a marked region of examples/guide, and each region
# is on the page. That the regions do what the page says is the program's own business: examples/guide/test.sh.
set -euo pipefail
source_dir=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/shown" "$work/compiled"

# One file a block, named by its content.
store() {
    local dir=$1 file
    for file in "$dir"/block-*; do
        mv "$file" "$dir/$(sha256sum <"$file" | cut -c1-16)"
    done
}

awk -v out="$work/shown/block-" '/^```c$/ { inside = 1; n++; next } /^```$/ { inside = 0 }
    inside { print >(out n) }' "$source_dir/docs/structured-concurrency.md"
awk -v out="$work/compiled/block-" '/^\/\* guide: .* \*\/$/ { inside = 1; n++; next } /^\/\* end \*\/$/ { inside = 0 }
    inside { print >(out n) }' "$source_dir"/examples/guide/*.c
store "$work/shown"
store "$work/compiled"
[[ $(find "$work/shown" -type f | wc -l) -ge 20 ]]
diff -r "$work/compiled" "$work/shown"
