#!/usr/bin/env bash
# Every source is in the house format: format_test.sh [source directory]. `./dev format` puts it there.
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../..}"
command -v clang-format >/dev/null || { echo 'format: clang-format is not installed' >&2 && exit 1; }
tests/lint/sources.sh | xargs clang-format --dry-run -Werror --ferror-limit=1
