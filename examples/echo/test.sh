#!/bin/bash
# Tests of echo: load, the idle timeout, and the end by signal. Everything on 127.0.0.1, each step bounded in time.
# Argument: the build directory.
set -u

echo=${1:?usage: test.sh BUILD-DIRECTORY}/examples/echo
scratch=$(mktemp -d "${TMPDIR:-/tmp}/echo-test.XXXXXX")
server=
trap '[ -n "$server" ] && kill -KILL "$server" 2>/dev/null; rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
ulimit -S -n "$(ulimit -H -n)"
failures=0

check() { # description, command...
    local what=$1
    shift
    if "$@"; then
        echo "ok: $what"
    else
        echo "FAILED: $what"
        sed 's/^/    /' said server load 2>/dev/null
        failures=$((failures + 1))
    fi
}

# Starts a server with these options and waits until it has said its port.
start() {
    : >server
    "$echo" serve "$@" >server 2>&1 &
    server=$!
    for ((i = 0; i < 600; i++)); do
        port=$(sed -n 's/^port //p' server)
        [ -n "$port" ] && return 0
        sleep 0.05
    done
    return 1
}

# Ends it with a signal; its exit status is in $status.
stop() { # signal
    kill "-$1" "$server"
    timeout 60 tail --pid="$server" -f /dev/null
    wait "$server"
    status=$?
    server=
}

load() {
    timeout 80 "$echo" load --port "$port" "$@" >load 2>&1
}

server_said() { grep -q -- "$1" server; }
load_said() { grep -q -- "$1" load; }

# As many as there are descriptors for, at most 1,000.
most=$((($(ulimit -n) - 50)))
[ "$most" -lt 1000 ] || most=1000

check "a server starts on a port that the system chose" start
check "$most connections at once" load --connections "$most" --messages 5
check "every message came back unchanged" load_said "right $most, wrong 0"
check "the load leaves no task" load_said "alive 0"
stop TERM
check "SIGTERM ends it well" [ "$status" -eq 0 ]
check "it has seen every connection end" server_said "accepted $most, ended $most, idle 0, cut 0, failed 0"
check "and every byte" server_said "bytes $((most * 5 * 512))$"
check "no task is left" server_said "alive 0"

check "a server with a short idle timeout" start --idle 200
check "silent connections" load --connections 20 --messages 3 --hold
check "the server has hung up on each" load_said "right 20, wrong 0, hung up 20"
stop INT
check "SIGINT ends it well" [ "$status" -eq 0 ]
check "it says that they were idle" server_said "ended 0, idle 20, cut 0, failed 0"

check "a server with a short time of grace" start --grace 100
: >load
timeout 80 "$echo" load --port "$port" --connections 20 --messages 3 --hold >load 2>&1 &
holder=$!
for ((i = 0; i < 600; i++)); do
    grep -q "all were answered" load && break
    sleep 0.05
done
stop TERM
wait "$holder"
check "the load was answered before" load_said "right 20, wrong 0, hung up 20"
check "SIGTERM ends it well with connections open" [ "$status" -eq 0 ]
check "after the grace they were cut" server_said "ended 0, idle 0, cut 20, failed 0"
check "no task is left" server_said "alive 0"

[ "$failures" -eq 0 ] || { echo "$failures failed"; exit 1; }
