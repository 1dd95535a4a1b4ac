#!/bin/bash
# The main job: treesum hashes a real tree of at least 10,000 files, sha256sum verifies its list,
# and both are timed on the same warm tree. Argument: the build directory.
set -eu -o pipefail

build=${1:?usage: demo.sh BUILD-DIRECTORY}
treesum=$build/examples/treesum
minimum=10000
workers=$(nproc)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/treesum-demo.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
export LC_ALL=C

say() {
    printf '%s\n' "$*"
}

fail() {
    say "demo: FAILED: $*" >&2
    exit 1
}

count_files() {
    find "$@" -type f -printf x | wc -c
}

# Sets `roots` to directories that hold enough files together: of what every Debian has, as much as
# it takes. A very small system is made larger by copies.
choose_roots() {
    local root
    roots=()
    files=0
    for root in /usr/share /usr/lib /usr/include /usr/src; do
        if [ -d "$root" ] && [ ! -L "$root" ] && [ "$files" -lt "$minimum" ]; then
            roots+=("$root")
            files=$(count_files "${roots[@]}")
        fi
    done
    [ "$files" -ge "$minimum" ] || add_copies
}

add_copies() {
    local before
    mkdir "$scratch/tree"
    roots+=("$scratch/tree")
    while [ "$files" -lt "$minimum" ]; do
        before=$files
        mkdir "$scratch/tree/$before"
        cp -R /usr/share /usr/lib "$scratch/tree/$before" || fail "cannot copy a tree to hash"
        files=$(count_files "${roots[@]}")
        [ "$files" -gt "$before" ] || fail "no tree of $minimum files to be had"
    done
}

# Runs a command and leaves its wall-clock seconds in $seconds.
timed() {
    started=$(date +%s.%N)
    "$@"
    seconds=$(awk -v a="$started" -v b="$(date +%s.%N)" 'BEGIN { printf "%.3f", b - a }')
}

run_treesum() {
    "$treesum" --quiet --output "$scratch/sums" "${roots[@]}"
}

run_xargs() {
    find "${roots[@]}" -type f -print0 | xargs -0 -P"$workers" sha256sum >"$scratch/reference"
}

# A deadline that passes in the middle: whatever was begun ends, and nothing stays alive.
show_timeout() {
    truncate -s 64G "$scratch/large"
    local status=0
    "$treesum" --timeout 0.05 --output "$scratch/partial" "$scratch/large" "${roots[@]}" \
        2>"$scratch/messages" || status=$?
    cat "$scratch/messages"
    [ "$status" -eq 124 ] || fail "--timeout: exit status $status, expected 124"
    grep -q ' 0 alive' "$scratch/messages" || fail "--timeout: tasks stayed alive"
}

[ -x "$treesum" ] || fail "$treesum is not built"
choose_roots
say "Tree: ${roots[*]} ($files regular files), $workers CPUs"

say "--- treesum, which also warms the tree"
"$treesum" --output "$scratch/sums" "${roots[@]}" || fail "treesum: exit status $?"
listed=$(wc -l <"$scratch/sums")
[ "$listed" -ge "$minimum" ] || fail "only $listed files in the list"

say "--- sha256sum -c on all $listed lines"
sha256sum -c --quiet "$scratch/sums" || fail "sha256sum -c found a mismatch"
grep '^[^\]' "$scratch/sums" | cut -c67- | sort -c || fail "the list is not sorted by path"

say "--- side by side, seconds: treesum, then find | xargs -P$workers sha256sum"
for round in 1 2; do
    timed run_treesum
    ours=$seconds
    timed run_xargs
    awk -v r="$round" -v a="$ours" -v b="$seconds" \
        'BEGIN { printf "round %d: treesum %.3f   find|xargs %.3f   ratio %.2f\n", r, a, b, b / a }'
done
sort "$scratch/sums" >"$scratch/sums.sorted"
sort "$scratch/reference" | cmp - "$scratch/sums.sorted" || fail "the two lists differ"

say "--- --timeout 0.05, with a file of 64 GiB in the way"
show_timeout

say "demo: OK: $listed files hashed by treesum, verified by sha256sum"
