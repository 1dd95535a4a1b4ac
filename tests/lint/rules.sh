#!/usr/bin/env bash
# The house rules that a search can see: rules.sh [source directory].
set -euo pipefail
export LC_ALL=C.UTF-8 # a line is as long as its characters are many
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}"
mapfile -t sources < <(tests/lint/sources.sh)
bad=0

# forbid WHAT PATTERN FILE...
forbid() {
    if grep -nHE "$2" "${@:3}"; then
        echo "rules: $1" >&2
        bad=1
    fi
}

# Every include guard is #ifndef, so #if and #ifdef are conditional compilation.
mapfile -t inner < <(printf '%s\n' "${sources[@]}" | grep '^executor/' | grep -vE '^executor/(port|base)/')
forbid 'conditional compilation outside executor/port and executor/base' '^ *# *(if|ifdef)\b' "${inner[@]}"
forbid 'unfinished work' '\b(TODO|FIXME|XXX)\b' "${sources[@]}"
mapfile -t atomic_users < <(printf '%s\n' "${sources[@]}" | grep -v '^executor/base/atomic')
forbid 'atomics that bypass base/atomic.h' '<stdatomic\.h>' "${atomic_users[@]}"
forbid 'a line of more than 120 columns' '^.{121,}' "${sources[@]}"
forbid 'white space at the end of a line' '[[:blank:]]$' "${sources[@]}"
for file in "${sources[@]}"; do
    lines=$(wc -l <"$file")
    if ((lines > 400)); then
        echo "rules: $file has $lines lines, more than 400" >&2
        bad=1
    fi
done
((${#sources[@]} >= 300 && ${#inner[@]} >= 50)) || { echo 'rules: the sources were not found' >&2 && bad=1; }
exit $bad
