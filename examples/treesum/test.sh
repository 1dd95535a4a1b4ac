#!/bin/bash
# Tests of treesum: odd names, odd trees, and runs that are cut short.
# Argument: the build directory.
set -u

treesum=${1:?usage: test.sh BUILD-DIRECTORY}/examples/treesum
scratch=$(mktemp -d "${TMPDIR:-/tmp}/treesum-test.XXXXXX")
trap 'chmod -R u+rwx "$scratch"; rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
export LC_ALL=C
failures=0

check() { # description, command...
    local what=$1
    shift
    if "$@"; then
        echo "ok: $what"
    else
        echo "FAILED: $what"
        sed 's/^/    /' messages
        failures=$((failures + 1))
    fi
}

# Runs treesum with its list in `sums`, its messages in `messages`, its exit status in $status.
run() {
    "$treesum" "$@" >sums 2>messages
    status=$?
}

exited() {
    [ "$status" -eq "$1" ] || { echo "exit status $status, expected $1"; false; }
}

said() {
    grep -q -- "$1" messages
}

# The closing line: every task spawned has ended in one way, and none is alive.
accounted() {
    awk '/^treesum: tasks: / { if ($3 == $5 + $7 && $9 == 0) good = 1 } END { exit !good }' messages
}

# The list is what find and sha256sum make of the same tree, sorted by path.
same_as_sha256sum() {
    find "$@" -type f -print0 | sort -z | xargs -0 -r sha256sum | cmp - sums &&
        sha256sum -c --quiet sums
}

make_names() {
    mkdir -p names/sub 'names/with space' $'names/new\nline'
    : >names/empty
    echo a >names/plain
    echo b >$'names/new\nline/file'
    echo c >'names/back\slash'
    echo d >$'names/carriage\rreturn'
    echo e >$'names/\\\n\r'
    echo f >'names/with space/ leading'
    echo g >$'names/high\xff\x80'
    echo h >names/sub-file
    echo i >names/sub/file
    echo j >names/-dash
    head -c 131072 /dev/zero >names/one-block
    head -c 300001 /dev/urandom >names/blocks
}

test_names() {
    make_names
    run names
    check "names: status" exited 0
    check "names: list" same_as_sha256sum names
    check "names: tasks" accounted
    run names/ names/plain
    check "roots: a file among them" exited 0
    check "roots: every one in the list" [ "$(grep -c 'names/plain$' sums)" -eq 2 ]
}

test_odd_entries() {
    mkdir -p odd/real
    echo x >odd/real/file
    mkfifo odd/pipe
    ln -s ../odd odd/loop
    ln -s nowhere odd/dangling
    ln -s real/file odd/link
    run odd
    check "links and pipes: status" exited 0
    check "links and pipes: left out" [ "$(wc -l <sums)" -eq 1 ]
    run odd odd/link nothing-there
    check "bad roots: status" exited 1
    check "bad roots: told" said 'nothing-there: No such file'
    check "bad roots: a link is not followed" said 'odd/link: symbolic links'
    check "bad roots: the others are not lost" grep -q odd/real/file sums
    run --output odd/list odd
    run --output odd/list odd
    check "the list leaves itself out" [ "$(wc -l <odd/list)" -eq 1 ]
}

as_nobody() {
    setpriv --reuid 65534 --clear-groups "$@"
}

# Root may read everything; then somebody else has to try.
test_unreadable() {
    mkdir -p closed/dir
    echo x >closed/dir/file
    echo y >closed/secret
    echo z >closed/open
    chmod 000 closed/dir closed/secret
    chmod 755 "$scratch" closed
    if [ "$(id -u)" -ne 0 ]; then
        run closed
    elif as_nobody test -x "$treesum" 2>messages; then
        as_nobody "$treesum" closed >sums 2>messages
        status=$?
    else
        echo "skipped: unreadable files, for want of another user"
        return
    fi
    check "unreadable: status" exited 1
    check "unreadable: file told" said 'closed/secret: Permission denied'
    check "unreadable: directory told" said 'closed/dir: Permission denied'
    check "unreadable: the others are not lost" grep -q closed/open sums
    check "unreadable: tasks" accounted
}

# Names of 100 bytes, 300 levels: seven times the longest path the system takes in one call.
make_deep() {
    local name i
    name=$(printf 'd%.0s' {1..100})
    for i in {1..300}; do
        mkdir "$name"
        cd "$name" || return
        [ $((i % 50)) -ne 0 ] || echo "$i" >file
    done
}

test_deep() {
    mkdir deep
    (cd deep && make_deep)
    run deep
    check "deep: status" exited 0
    check "deep: files" [ "$(wc -l <sums)" -eq 6 ]
    check "deep: sum of the deepest" grep -q "^$(echo 300 | sha256sum | cut -d' ' -f1)" sums
    check "deep: tasks" accounted
}

test_few_descriptors() {
    mkdir -p wide/{1..40}/{1..5}
    for dir in wide/*/*; do
        echo "$dir" >"$dir/file"
    done
    (ulimit -n 20 && exec "$treesum" --jobs 1000 wide >sums 2>messages)
    status=$?
    check "few descriptors: status" exited 0
    check "few descriptors: list" same_as_sha256sum wide
}

test_vanishing() {
    mkdir -p churn
    (while :; do
        touch churn/{1..200}
        rm -f churn/{1..200}
    done) &
    local churner=$!
    for _ in {1..20}; do
        run churn names
        { [ "$status" -le 1 ] && accounted; } || break
    done
    kill "$churner"
    wait "$churner" 2>/dev/null
    check "vanishing files: status 0 or 1" [ "$status" -le 1 ]
    check "vanishing files: tasks" accounted
    check "vanishing files: the others are not lost" grep -q names/plain sums
}

test_cut_short() {
    mkdir -p large
    truncate -s 200G large/sparse
    run --timeout 0.5 large names
    check "timeout: status" exited 124
    check "timeout: told" said 'timed out after 0.5 s'
    check "timeout: tasks" accounted
    check "timeout: what was hashed is listed" grep -q names/plain sums
    local signal
    for signal in INT TERM; do
        "$treesum" large names >sums 2>messages &
        sleep 1
        kill -s "$signal" $!
        wait $!
        status=$?
        check "SIG$signal: status" exited $((128 + $(kill -l "$signal")))
        check "SIG$signal: told" said interrupted
        check "SIG$signal: tasks" accounted
        check "SIG$signal: what was hashed is listed" grep -q names/plain sums
    done
}

test_usage() {
    run
    check "usage: no root" exited 2
    run --jobs 0 names
    check "usage: --jobs 0" exited 2
    run --jobs 4x names
    check "usage: --jobs 4x" exited 2
    run --timeout nan names
    check "usage: --timeout nan" exited 2
    run --timeout -1 names
    check "usage: --timeout -1" exited 2
    run --output /nonexistent/list names
    check "usage: --output that cannot be" exited 2
    run --unknown names
    check "usage: unknown option" exited 2
    run --help
    check "usage: --help" exited 0
    run --quiet --jobs 1 names
    check "--quiet says nothing" [ ! -s messages ]
    check "--jobs 1: list" same_as_sha256sum names
    "$treesum" names >/dev/full 2>messages
    status=$?
    check "a full disk: status" exited 1
    check "a full disk: told" said 'No space left'
}

test_names
test_odd_entries
test_unreadable
test_deep
test_few_descriptors
test_vanishing
test_cut_short
test_usage
[ "$failures" -eq 0 ] && echo "treesum: all checks passed"
exit $((failures > 0))
