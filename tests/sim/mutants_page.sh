#!/usr/bin/env bash
# docs/verification.md shows the table of planted faults as it is: mutants_page.sh PAGE SIM_MUTANTS
set -euo pipefail
page=$1 program=$2
shown=$(sed -n '/^| Fault | Protocol |/,/^$/p' "$page" | sed '/^$/d')
[[ $shown == "$("$program" --table)" ]] && exit 0
diff <(echo "$shown") <("$program" --table) || true
echo "$page: the table of planted faults is not that of tests/sim/mutant_table.h; $program --table prints it"
exit 1
