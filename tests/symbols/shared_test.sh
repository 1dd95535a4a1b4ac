#!/usr/bin/env bash
# The shared library: exports nothing but belay_*, stays mapped after dlclose, needs little static
# thread-local storage (so that dlopen finds room for it), and works when loaded.
set -euo pipefail
source_dir=$1 build_dir=$2 compiler=$3
library=$build_dir/libbelay.so
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "$*"
    exit 1
}

foreign=$(nm -D --defined-only "$library" | awk '{ print $3 }' | grep -v '^belay_' || true)
[[ -z $foreign ]] || fail "exported by libbelay.so: $foreign"
readelf -dW "$library" | grep -q NODELETE || fail 'libbelay.so is not marked nodelete'
tls_bytes=$(readelf -lW "$library" | awk '$1 == "TLS" { print $6 }')
((${tls_bytes:-0} < 64)) || fail "libbelay.so needs $tls_bytes bytes of static thread-local storage"

"$compiler" -std=gnu11 -Wall -Werror -I "$source_dir/include" -o "$work/host" \
    "$source_dir/tests/symbols/loading_host.c" -ldl -pthread
"$work/host" "$library"
