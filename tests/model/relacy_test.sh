#!/usr/bin/env bash
# The models of the library's own text under Relacy: each is accepted as it is, and rejected with a step left out or an order
# weakened. docs/verification.md, "Models of the library's text".
#     relacy_test.sh [source directory [build directory [compiler]]]
#
# FULL searches all schedules. BOUND n: those with up to n preemptions. RANDOM n: n of them. In each, loads may return what
# C11 allows them to.
set -euo pipefail
root=$(cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}" && pwd)
compiler=${3:-gcc}

if [[ ! -e /usr/include/relacy/relacy.hpp ]]; then
    echo 'relacy_test: Relacy is not installed (Debian: relacy-dev)' >&2
    exit 1
fi

# shellcheck source=tests/model/jobs.sh
source "$root/tests/model/jobs.sh"

# The models use a part of each source only. What the rest calls stays undefined, and faults if it is called after all.
readonly harness=$work/relacy.o
g++ -std=gnu++17 -O2 -w -c "$root/tests/model/relacy/relacy.cpp" -o "$harness"

# search MODEL HOW MANY [-D...]
search() {
    local model=$1 how=$2 many=$3
    shift 3
    "$compiler" -std=gnu11 -O1 -w -ffunction-sections -DMODEL_RELACY -DBELAY_CHECKS=1 "$@" -I "$root/tests/model/first" \
        -I "$root/tests/model" -I "$root/tests/sim" -I "$root/executor" -I "$root/include" \
        -c "$root/tests/model/$model.c" -o model.o || return 1
    g++ -static -Wl,--gc-sections -Wl,--unresolved-symbols=ignore-all model.o "$harness" -o model || return 1
    ./model "$how" "$many"
}

small=-DMODEL_SMALL=1
forced=-DFORCED=1
guests=-DABOUT=GUESTS
pin=-DPIN=1

# without FAULT MODEL HOW MANY [-D...]: a fault of tests/sim/mutant_table.h.
without() {
    check rejected "$2" "$3" "$4" -DBELAY_MUTANTS "-DBELAY_MUTANT=$1" "${@:5}"
}

# weak FUNCTION OPERATION WORD MODEL HOW MANY [-D...]: that operation of that function is relaxed.
weak() {
    check rejected "$4" "$5" "$6" "-DMODEL_WEAK_IN=\"$1\"" "-DMODEL_WEAK_OP=\"$2\"" "-DMODEL_WEAK_WORD=\"$3\"" \
        -DMODEL_WEAK_TO=__ATOMIC_RELAXED "${@:7}"
}

# The longest first.
check accepted runq full 0 $small
check accepted count full 0 $small
check accepted wait bound 3 $small
check accepted deque bound 3 $small $forced
check accepted deque bound 3 $small
check accepted deque bound 2
check accepted deque random 20000 $forced
check accepted runq bound 2
check accepted runq random 100000
check accepted count bound 4
check accepted count bound 3 $pin
check accepted park bound 3 $small
check accepted park random 50000
check accepted inject bound 4 $small
check accepted inject random 50000
check accepted raid bound 3 $small
check accepted raid random 50000
check accepted registry full 0 $small
check accepted registry bound 4
check accepted registry bound 4 $guests

for fault in fork_force_no_fence fork_reclaim_blind fork_steal_blind; do
    without $fault deque bound 3 $small $forced
done
without runq_blind_take runq bound 2 $small
without idle_no_last_look park bound 2 $small
without idle_no_heavy_fence park bound 2 $small
without idle_wake_not_accepted park bound 2 $small
check rejected park bound 2 $small -DMODEL_NO_LIGHT_FENCE
without raid_no_fence raid bound 2 $small
without raid_no_quiesce raid bound 2 $small
without wait_park_no_look wait random 50000 $small
without ref_generation_stays registry full 0 $small
without ref_gain_blind registry full 0 $small
without guest_no_look registry bound 2 $guests
without pass_not_drained registry bound 2 $guests
without count_no_fence count bound 2 $small
without count_no_quiesce count bound 2 $small
without close_pins_ignored count bound 2 $small $pin
check rejected inject bound 2 $small -DMODEL_NO_STORE_FENCE

# Orders that x86-64 keeps by itself, so that neither the simulator nor a run there can miss them.
weak runq_push store_release '&q->tail' runq bound 2 $small
weak take load_acquire '&q->tail' runq bound 2 $small
weak publish cas_acq_rel '&d->ends' deque bound 2 $small
weak ref_lose cas_acq_rel '&t->ref' registry bound 2 $small
weak section_leave store_release '&w->section' raid bound 3 $small
weak section_quiesce load_acquire '&w->section' raid bound 3 $small
weak worker_raid store_release '&victim->raid' raid bound 3 $small
weak enter load_acquire '&w->raid' raid bound 3 $small
weak count_leave_shared fetch_sub_acq_rel '&s->word' count bound 4
weak count_watch load_acquire '&s->word' count bound 4
weak count_kill cas_acq_rel '&s->word' count bound 4 $pin
weak park_task cas_seq_cst '&t->wait' wait random 50000
weak wait_claim cas_seq_cst word wait random 50000
weak cancel_set_word cas_seq_cst '&t->cancel' wait random 50000

judge_all
