# For the tests of models, which source it: judgements side by side, as many at once as there are processors.
#
# The test sets `root` (the source directory) and defines
#     search WHAT...   in a directory of its own: prints what the checker says, then as the last line `accepted N` or
#                      `rejected N`: how many states, or schedules, it has looked at. Anything else: it could not tell.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# judge accepted|rejected WHAT...: in the current directory. Fails if it was judged otherwise.
judge() {
    local wanted=$1 found count
    shift
    search "$@" >report 2>&1 || true
    read -r found count < <(tail -n 1 report) || true
    [[ $found == accepted || $found == rejected ]] || found=unknown count='?'
    printf '%-9s %9s  %s\n' "$found" "$count" "$*"
    if [[ $found != "$wanted" ]]; then
        echo "should have been $wanted"
        cat report
        return 1
    fi
}

# check accepted|rejected WHAT...: judges in the background.
judged=()
check() {
    local place="$work/${#judged[@]}"
    mkdir "$place"
    while (($(jobs -rp | wc -l) >= $(nproc))); do
        wait -n || true # its judgement is asked for below
    done
    (cd "$place" && judge "$@" >judgement 2>&1) &
    judged+=("$!")
}

# Waits for all, prints the judgements, and fails if one of them was not as wanted.
judge_all() {
    local bad=0 i
    for i in "${!judged[@]}"; do
        wait "${judged[i]}" || bad=1
        cat "$work/$i/judgement"
    done
    return $bad
}
