#!/usr/bin/env bash
# An installed library is found by CMake's find_package, static and shared, and by pkg-config.
set -euo pipefail
source_dir=$1 build_dir=$2 compiler=$3
host=$source_dir/tests/symbols/linked_host.c
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build_dir" --prefix "$work/prefix" >/dev/null
cat >"$work/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.22)
project(user C)
find_package(belay 0.1 REQUIRED)
add_executable(with_archive $host)
target_link_libraries(with_archive belay::belay)
add_executable(with_shared $host)
target_link_libraries(with_shared belay::belay_shared)
END
cmake -S "$work" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" \
    -DCMAKE_C_COMPILER="$compiler" >"$work/log" || { cat "$work/log" && exit 1; }
cmake --build "$work/build" >"$work/log" || { cat "$work/log" && exit 1; }
"$work/build/with_archive"
"$work/build/with_shared"

pc=$(find "$work/prefix" -name belay.pc)
export PKG_CONFIG_PATH=${pc%/*}
# shellcheck disable=SC2046 # several flags
"$compiler" -o "$work/host" "$host" $(pkg-config --define-variable=prefix="$work/prefix" \
    --cflags --libs --static belay)
LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH") "$work/host"
