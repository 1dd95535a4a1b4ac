#!/usr/bin/env bash
# Every header, file and test that docs/features.md names exists: a test in a file that its row names.
set -euo pipefail
cd "$1"
missing=0 rows=0

complain() {
    printf 'docs/features.md: %s\n' "$1"
    missing=1
}

while IFS= read -r row; do
    rows=$((rows + 1))
    read -ra files <<<"$(grep -oE '`(tests|stress|examples)/[^`]*`' <<<"$row" | tr -d '`' | tr '\n' ' ')"
    for file in "${files[@]}"; do
        [[ -e $file ]] || complain "no file $file"
    done
    for header in $(grep -oE '`[a-z_]+\.h`' <<<"$row" | tr -d '`'); do
        [[ -e include/belay/$header ]] || complain "no header $header"
    done
    for name in $(grep -oE '`test_[a-z_0-9]+`' <<<"$row" | tr -d '`'); do
        grep -qs "^static void $name(void" "${files[@]}" || complain "no test $name in: ${files[*]}"
    done
    # A feature that is there has a header and a test.
    if [[ $row != *"not there yet"* && (${#files[@]} -eq 0 || $row != *'.h`'*) ]]; then
        complain "nothing shows: $row"
    fi
done < <(grep '^| ' docs/features.md | grep -v '^| Feature ')
[[ $rows -ge 60 ]] || complain "only $rows rows were found"
exit "$missing"
