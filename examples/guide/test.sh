#!/usr/bin/env bash
# The recipes do what the guide says: the program checks it itself.
set -euo pipefail
"$1/examples/guide"
