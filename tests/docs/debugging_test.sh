#!/usr/bin/env bash
# The dumps in docs/debugging.md are what examples/symptoms prints, up to numbers and directories: every line that
# the page shows as a dump of it (a block marked `text`) is printed.
set -euo pipefail
source_dir=$1 build_dir=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

plain() {
    sed -E 's/([@(])[^ @)]*\//\1/g; s/[0-9]+/N/g; s/^ +//; s/ +$//' | sort -u
}

awk '/^```text$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$source_dir/docs/debugging.md" |
    plain >"$work/shown"
[[ -s $work/shown ]]
"$build_dir/examples/symptoms" 2>&1 | plain >"$work/printed"
missing=$(comm -23 "$work/shown" "$work/printed")
if [[ -n $missing ]]; then
    printf 'docs/debugging.md shows lines that are not printed:\n%s\n' "$missing"
    exit 1
fi
