#!/usr/bin/env bash
# Every name of the library that a page for users mentions stands in a public header, the environment's variables in the
# table of options.
set -euo pipefail
cd "$1"
missing=0 names=0
for page in README.md CHANGELOG.md docs/*.md; do
    for name in $(grep -oE '\b(belay|BELAY)_[a-zA-Z_0-9]*[a-zA-Z0-9]\b' "$page" | sort -u); do
        names=$((names + 1))
        grep -rqw "$name" include executor/options_table.c docs/tuning.md || {
            printf '%s: there is no %s\n' "$page" "$name"
            missing=1
        }
    done
done
[[ $names -ge 100 ]]
exit "$missing"
