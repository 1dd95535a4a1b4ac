#!/usr/bin/env bash
# The program in README.md is examples/first.c, letter for letter, and prints what README.md says.
set -euo pipefail
source_dir=$1 build_dir=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$source_dir/README.md" >"$work/first.c"
diff -u "$source_dir/examples/first.c" "$work/first.c"

awk '/^prints$/ { inside = 1; next } /^## / { inside = 0 } inside' "$source_dir/README.md" |
    sed -n 's/^    //p' >"$work/expected"
"$build_dir/examples/first" >"$work/printed"
diff -u "$work/expected" "$work/printed"
