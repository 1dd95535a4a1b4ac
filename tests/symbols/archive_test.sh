#!/usr/bin/env bash
# The static archive: nothing but belay_* is global in it, and a program that defines every one of our
# internal names itself links with it and runs.
set -euo pipefail
source_dir=$1 build_dir=$2 compiler=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

global_names() {
    nm -g --defined-only "$1" | awk 'NF == 3 { print $3 }' | sort -u
}

foreign=$(global_names "$build_dir/libbelay.a" | grep -v '^belay_' || true)
[[ -z $foreign ]] || { echo "global in libbelay.a: $foreign" && exit 1; }
global_names "$build_dir/libbelay.a" | grep -q . || { echo 'libbelay.a is empty' && exit 1; }

mapfile -t names < <({
    global_names "$build_dir/libbelay_internal.a" | grep -v '^belay_'
    printf '%s\n' ck_ec32_wake ck_ec64_wake lock_take list_init scope_open timer_arm
} | sort -u)
{
    echo '#include <stdlib.h>'
    printf 'void %s(void);\n' "${names[@]}"
    printf 'void %s(void) { abort(); }\n' "${names[@]}"
} >"$work/taken_names.c"

"$compiler" -std=gnu11 -Wall -Werror -I "$source_dir/include" -o "$work/host" \
    "$source_dir/tests/symbols/linked_host.c" "$work/taken_names.c" "$build_dir/libbelay.a" -pthread
"$work/host"
