/* Idle and wake, for spin. The page idle.md has the protocol; the names here are those of sched/idle.c.
 *
 * Workers 1..TAKERS look for work, park, are woken. A busy worker, 0, publishes ITEMS runnables on its own queue and never
 * takes one back itself: whatever is taken was found by the protocol. A foreign thread injects FOREIGN runnables with a locked
 * push, another PINNED to the inbox of worker 1.
 *
 * Memory is TSO: what worker 0 stores is in `buffered` until the buffer is drained, which happens at any time, at a locked
 * instruction of its own, or because of somebody's heavy fence. Everything else that is shared is changed by locked
 * instructions. SYMMETRIC: light and heavy fences are full fences of the caller.
 *
 * Promise: when nothing moves any more, nothing runnable is left. ENDLESS: who takes a runnable never comes back, so that each
 * must have been found by a worker of its own; then asymmetric fences need the monitor (MONITOR).
 *
 * A left-out step, each of which spin must reject: NO_PUBLISH_FENCE, NO_HEAVY, NO_LAST_LOOK, LOOK_BEFORE_BIT, NO_WAIT,
 * NO_SUCCESSOR (with ENDLESS SYMMETRIC), and ENDLESS alone. tests/model/spin_test.sh runs them all. */
#ifndef TAKERS
#define TAKERS 2
#endif
#ifndef ITEMS
#define ITEMS 2
#endif
#ifndef FOREIGN
#define FOREIGN 1
#endif
#ifndef PINNED
#define PINNED 1
#endif

byte buffered = 0; /* of worker 0: stored, not yet to be seen by others */
byte queue = 0;    /* of worker 0: to be seen and not taken */
byte injected = 0;
byte inbox = 0;    /* of worker 1 */

/* The word `idle`, changed in one step. */
byte parked_count = 0;
byte searching = 0;
bool parked[TAKERS + 1]; /* the bits */
byte ec[TAKERS + 1];     /* event counts; they only rise */

#define drain_buffer queue = queue + buffered; buffered = 0
#define work_visible (queue > 0 || injected > 0)

/* wake_one: clears a bit (a locked `and`), moves the count, raises the event count. Without a bit there is nobody to wake.
 * `mine`: the bit was ours to clear. */
inline wake(w) {
    mine = false;
    atomic { if :: parked[w] -> parked[w] = false; mine = true :: else fi }
    if
    :: mine ->
        atomic { parked_count--; searching++ }
        ec[w]++
    :: else
    fi
}

inline wake_one() {
    v = 1;
    mine = false;
    do
    :: v <= TAKERS && !mine -> wake(v); v++
    :: else -> break
    od
}

inline notify() {
    d_step { enough = (searching > 0 || parked_count == 0) }
    if
    :: !enough -> wake_one()
    :: else
    fi
}

/* ---- who makes work visible ---- */

proctype publisher() {
    byte n = 0, v;
    bool enough, mine;
    do
    :: n < ITEMS ->
        n++;
#ifdef NO_PUBLISH_FENCE
        d_step { enough = (searching > 0 || parked_count == 0) } /* the load has passed the store */
        buffered++;
        if :: !enough -> wake_one() :: else fi
#else
        buffered++;
#ifdef SYMMETRIC
        d_step { drain_buffer }
#endif
        notify()
#endif
    :: else -> break
    od
}

proctype store_buffer() {
end:
    do
    :: atomic { buffered > 0 -> drain_buffer }
    od
}

proctype foreign() {
    byte n = 0, v;
    bool enough, mine;
    do
    :: n < FOREIGN -> n++; injected++; notify()
    :: else -> break
    od
}

proctype pinner() {
    bool mine;
    if
    :: PINNED > 0 ->
        inbox++;
        if :: parked[1] -> wake(1) :: else fi
    :: else
    fi
}

/* ---- workers ---- */

/* A look everywhere. */
inline take(me) {
    found = false;
    if
    :: atomic { me == 1 && inbox > 0 -> inbox--; found = true }
    :: atomic { !(me == 1 && inbox > 0) && queue > 0 -> queue--; found = true }
    :: atomic { !(me == 1 && inbox > 0) && queue == 0 && injected > 0 -> injected--; found = true }
    :: atomic { !(me == 1 && inbox > 0) && queue == 0 && injected == 0 -> skip }
    fi
}

inline set_bit(me) {
    parked[me] = true;
    atomic {
        parked_count++;
        if :: is_searching -> searching-- :: else fi
        last = (searching == 0)
    }
}

inline heavy() {
#if !defined(NO_HEAVY) && !defined(SYMMETRIC)
    if :: last -> d_step { drain_buffer } :: else fi
#else
    skip
#endif
}

inline look_again(me) {
#ifdef NO_LAST_LOOK
    stay = !(me == 1 && inbox > 0)
#else
    stay = !((me == 1 && inbox > 0) || (last && work_visible))
#endif
}

proctype worker(byte me) {
    byte seen, v, before;
    bool found, is_searching, last, stay, mine;
seek:
    take(me);
    if
    :: found -> goto work
    :: else
    fi;
    atomic {
        is_searching = !(searching * 2 >= TAKERS + 1 && searching != 0);
        if :: is_searching -> searching++ :: else fi
    }
search:
    if
    :: is_searching -> take(me)
    :: else -> found = false
    fi;
    if
    :: found -> goto leave
    :: else
    fi;

    /* idle_park */
    seen = ec[me];
#ifdef LOOK_BEFORE_BIT
    last = (searching == 1 && is_searching) || searching == 0;
    heavy();
    look_again(me);
    set_bit(me);
#else
    set_bit(me);
    heavy();
    look_again(me);
#endif
    if
    :: stay ->
end_asleep:
        ec[me] != seen
    :: else
    fi;

    /* leave_parked */
    mine = false;
    atomic { if :: parked[me] -> parked[me] = false; mine = true :: else fi }
    if
    :: mine -> atomic { parked_count--; searching++ }
    :: else ->
#ifndef NO_WAIT
        ec[me] != seen
#else
        skip
#endif
    fi;
    is_searching = true;
    goto search;

leave: /* idle_search_end, found */
    atomic { before = searching; assert(searching > 0); searching-- }
#ifndef NO_SUCCESSOR
    if
    :: before == 1 && parked_count != 0 && work_visible -> wake_one()
    :: else
    fi;
#endif
work:
#ifdef ENDLESS
    goto over;
#endif
    goto seek;
over:
    skip
}

/* Nothing moves any more. Every 5 ms the monitor looks; else this is the end of the run. */
proctype last_word() {
    byte v;
    bool mine;
    do
    :: timeout ->
#ifdef MONITOR
        if
        :: searching == 0 && parked_count != 0 && work_visible -> wake_one()
        :: else -> break
        fi
#else
        break
#endif
    od;
#ifdef ENDLESS
    /* With everybody busy for ever what is left is not for the protocol to run. */
    assert(!work_visible || parked_count == 0);
#else
    assert(buffered == 0 && queue == 0 && injected == 0 && inbox == 0);
#endif
    assert(searching == 0)
}

init {
    byte i = 1;
    atomic {
        do
        :: i <= TAKERS -> run worker(i); i++
        :: else -> break
        od;
        run publisher(); run store_buffer(); run foreign(); run pinner(); run last_word()
    }
}
