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

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# search MODEL VARIANT...: an exhaustive search, in the current directory. Prints what pan says. Most variants are small, so
# that compiling takes longer than searching, and more optimising costs more than it saves.
search() {
    local model=$1
    shift
    spin "$@" -a "$root/docs/protocols/$model.pml" || return 1
    "$compiler" -O1 -DSAFETY -o pan pan.c 2>compile.log || {
        cat compile.log
        return 1
    }
    ./pan -m10000 || true
}

# judge accepted|rejected MODEL VARIANT...: in the current directory. Fails if it was judged otherwise.
judge() {
    local wanted=$1 found=unknown states
    shift
    search "$@" >report 2>&1 || true
    if grep -q 'errors: 0$' report; then
        found=accepted
    elif grep -qE 'errors: [1-9]' report; then
        found=rejected
    fi
    if grep -qE 'max search depth too small|out of memory|Search not completed' report && [[ $wanted == accepted ]]; then
        found='not searched to the end'
    fi
    states=$(awk '/states, stored/ { print $1 }' report)
    printf '%-9s %9s states  %s\n' "$found" "${states:-?}" "$*"
    if [[ $found != "$wanted" ]]; then
        echo "spin_test: should have been $wanted"
        cat report
        return 1
    fi
}

# check accepted|rejected MODEL VARIANT...: judges in the background, as many at once as there are processors.
jobs=()
check() {
    local place="$work/${#jobs[@]}"
    mkdir "$place"
    while (($(jobs -rp | wc -l) >= $(nproc))); do
        wait -n || true # its judgement is asked for below
    done
    (cd "$place" && judge "$@" >judgement 2>&1) &
    jobs+=("$!")
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

bad=0
for i in "${!jobs[@]}"; do
    wait "${jobs[i]}" || bad=1
    cat "$work/$i/judgement"
done
exit $bad
