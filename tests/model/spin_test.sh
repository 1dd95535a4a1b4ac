#!/usr/bin/env bash
# The Promela models beside the protocol pages: spin must accept each as it is, and reject it with a step left out.
#     spin_test.sh [source directory [build directory [compiler]]]
set -euo pipefail
root=$(cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}" && pwd)
compiler=${3:-gcc}

if ! command -v spin >/dev/null; then
    echo 'spin_test: spin is not installed (Debian: spin)' >&2
    exit 1
fi

# shellcheck source=tests/model/jobs.sh
source "$root/tests/model/jobs.sh"

# search MODEL VARIANT...: exhaustively. Most variants are small, so that compiling takes longer than searching, and more
# optimising costs more than it saves.
search() {
    local model=$1 states
    shift
    spin "$@" -a "$root/docs/protocols/$model.pml" || return 1
    "$compiler" -O1 -DSAFETY -o pan pan.c || return 1
    ./pan -m10000 >said || true
    cat said
    states=$(awk '/states, stored/ { print $1 }' said)
    if grep -qE 'errors: [1-9]' said; then
        echo "rejected $states"
    elif grep -q 'errors: 0$' said && ! grep -qE 'max search depth too small|out of memory|Search not completed' said; then
        echo "accepted $states"
    fi
}

own=(-DITEMS=2 -DFOREIGN=0 -DPINNED=0)
inbox=(-DITEMS=1 -DFOREIGN=0 -DPINNED=1)
check accepted idle -DITEMS=1 -DFOREIGN=1 -DPINNED=0 # the longest comes first
check accepted idle "${own[@]}"
check accepted idle "${own[@]}" -DSYMMETRIC
check accepted idle "${inbox[@]}"
check accepted idle "${own[@]}" -DENDLESS -DSYMMETRIC
check accepted idle "${own[@]}" -DENDLESS -DMONITOR
check rejected idle "${own[@]}" -DENDLESS
check rejected idle "${own[@]}" -DENDLESS -DSYMMETRIC -DNO_SUCCESSOR
check rejected idle "${own[@]}" -DNO_PUBLISH_FENCE
check rejected idle "${own[@]}" -DNO_HEAVY
check rejected idle "${own[@]}" -DNO_LAST_LOOK
check rejected idle "${own[@]}" -DNO_WAIT
check rejected idle "${inbox[@]}" -DLOOK_BEFORE_BIT

check accepted close
for step in NO_BIAS NO_UNBIAS NO_FENCE NO_QUIESCE NO_PINS NO_RELOOK; do
    check rejected close "-D$step"
done

judge_all
