#!/usr/bin/env bash
# cppcheck finds nothing in what a build compiles: cppcheck_test.sh SOURCE-DIRECTORY BUILD-DIRECTORY.
set -euo pipefail
source_dir=$(cd "$1" && pwd) build_dir=$(cd "$2" && pwd)
command -v cppcheck >/dev/null || { echo 'cppcheck: not installed' >&2 && exit 1; }
cd "$source_dir"
cppcheck --project="$build_dir/compile_commands.json" \
    --enable=warning,performance,portability --inline-suppr --error-exitcode=1 --quiet -j "$(nproc)" \
    --suppress='*:/usr/*' --suppress=missingIncludeSystem
