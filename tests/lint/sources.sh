#!/usr/bin/env bash
# Lists the sources that the house rules hold for: sources.sh [source directory].
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}"
find include executor tests stress bench examples -type f \( -name '*.c' -o -name '*.h' -o -name '*.cpp' \) | sort
