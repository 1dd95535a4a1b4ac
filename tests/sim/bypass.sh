#!/usr/bin/env bash
# Nothing of the library goes past the simulator: outside of port/sim its objects hold no locked instruction and no
# fence, and call nothing of the system that waits, tells the time or starts a thread.
#     bypass.sh OBJECTS-DIRECTORY
set -euo pipefail
mapfile -t objects < <(find "$1" -path '*/executor/*' -name '*.o' ! -path '*/port/sim/*' | sort)
((${#objects[@]} > 50)) || { echo "only ${#objects[@]} objects in $1" >&2; exit 1; }

bad=0
instructions=$(objdump -d --no-show-raw-insn "${objects[@]}" |
    awk '/file format/ { file = $1 } /\t(lock|xchg .*\(|mfence|lfence|sfence|pause|rdtsc|syscall)/ { print file $0 }')
if [[ -n $instructions ]]; then
    echo "instructions that the simulator does not see:" && echo "$instructions" && bad=1
fi
calls=$(nm -A -u "${objects[@]}" |
    grep -E ' U (pthread_|futex|syscall|clock_|gettimeofday|time$|nanosleep|sched_yield|getrandom|random|rand|read|write|poll|epoll_|eventfd|mmap|munmap|mprotect|madvise|malloc|calloc|realloc|free|ck_)') ||
    true
# The checks of Concurrency Kit's event count are inlined; its slow paths are the simulator's.
if [[ -n $calls ]]; then
    echo "calls that the simulator does not see:" && echo "$calls" && bad=1
fi
exit $bad
