#!/usr/bin/env bash
# What is built for programs holds no planted fault (executor/base/mutant.h), not even its name.
set -euo pipefail
source_dir=$1 build_dir=$2
names=$(sed -n 's/^ *X(\([a-z_]*\),.*/\1/p' "$source_dir/tests/sim/mutant_table.h")
[[ $(wc -w <<<"$names") -gt 40 ]] || { echo 'no faults in the table' && exit 1; }
for library in "$build_dir"/libbelay.a "$build_dir"/libbelay.so "$build_dir"/libbelay_internal.a; do
    if nm "$library" | grep -qi mutant; then
        echo "$library: a symbol of the planted faults" && exit 1
    fi
    if strings -a "$library" | grep -wF -e MUTANT -e mutant_selected -f <(echo "$names"); then
        echo "$library: the name of a planted fault" && exit 1
    fi
done
