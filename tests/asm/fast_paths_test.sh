#!/usr/bin/env bash
# The hot calls as machine code: polling for a cancel, fork and sync go their fast way without a call,
# a locked instruction or a fence, and in few instructions. The fast way is what is executed until the
# return when every call to a slow half, and the way to it, is not taken; compilers move those behind
# the return, or into a part of their own (".cold").
set -euo pipefail
source_dir=$1 compiler=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "$*"
    cat "$work/text"
    exit 1
}

case $("$compiler" -dumpmachine) in
    x86_64*) ;;
    *) echo 'not an x86-64 compiler' && exit 77 ;;
esac

"$compiler" -std=gnu11 -O2 -Wall -Werror -I "$source_dir/include" -c -o "$work/paths.o" \
    "$source_dir/tests/asm/fast_paths.c"
objdump -dr --no-show-raw-insn "$work/paths.o" >"$work/text"

# The instructions of a function from its entry to its first return.
fast_way() {
    awk -v head="<$1>:" '$2 == head { on = 1; next } on && NF == 0 { exit } on { print }
                         on && $2 ~ /^ret/ { exit }' "$work/text" | grep -v 'R_X86_64' || true
}

# check <function> <most instructions> <least loads: the words that must be looked at>
check() {
    local way count
    way=$(fast_way "$1")
    [[ -n $way ]] || fail "$1: not found"
    grep -q 'ret' <<<"$way" || fail "$1: no return on the fast way"
    ! grep -Ew 'call|callq' <<<"$way" || fail "$1: a call on the fast way"
    ! grep -Ew 'jmp|jmpq' <<<"$way" || fail "$1: leaves its fast way"
    ! grep -Ew 'lock|xchg|mfence|lfence|sfence|cmpxchg|xadd' <<<"$way" || fail "$1: a locked instruction or fence"
    count=$(wc -l <<<"$way")
    ((count <= $2)) || fail "$1: $count instructions on the fast way, at most $2 expected"
    (($(grep -c '(%r' <<<"$way") >= $3)) || fail "$1: fewer than $3 accesses to memory: the fast way is gone"
}

check path_poll 8 3
# Two words and the pointer between them, one branch, and that on the bit of the hard cancel alone: a task or scope that is softly
# cancelled, or shielded from a cancel, polls as fast.
way=$(fast_way path_poll)
(($(grep -c '(%r' <<<"$way") == 3)) || fail "path_poll: more than the two words and the pointer between them"
(($(grep -cE '\bj[a-z]+' <<<"$way") == 1)) || fail "path_poll: more than one branch"
grep -qE 'test[bl]? +\$0x1,' <<<"$way" || fail "path_poll: it does not test bit 0"
check path_fork 30 5
check path_sync 24 4

# The slow halves are there, and only they are called.
for slow in belay_canceled_slow belay_fork_slow belay_fork_commit belay_sync_slow; do
    grep -q "R_X86_64_PLT32.*$slow" "$work/text" || fail "$slow is never called"
done
