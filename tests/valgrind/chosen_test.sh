#!/usr/bin/env bash
# A chosen part of the tests under Valgrind: those of the public surface in which tasks suspend, are cancelled and clean up.
# In the build with full checks only, which tells Valgrind of its stacks. Valgrind runs one thread at a time, so it also is a
# schedule that the others seldom see.
set -euo pipefail
build_dir=$2
grep -q '^BELAY_CHECKS:.*=2$' "$build_dir/CMakeCache.txt" && command -v valgrind >/dev/null || exit 77

chosen=(cancel close scope outcome join join_any next start shield soft token on_cancel source owner defer resource foreign channel channel_cancel select mutex semaphore event condition)
failed=0
for name in "${chosen[@]}"; do
    program=$build_dir/tests/api_${name}_test
    [[ -x $program ]] || { echo "there is no $program"; failed=1; continue; }
    valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite --fair-sched=yes "$program" \
        >"$build_dir/valgrind.log" 2>&1 || { cat "$build_dir/valgrind.log"; echo "$name failed"; failed=1; }
done
exit $failed
