/* Count and close, for spin. The page close.md has the protocol; the names here are those of owner/count.c and owner/close.c.
 *
 * Two members were spawned at home. One ends there, after it has spawned a third that ends there too; the other ends on
 * another worker, after it has spawned one more. A canceller pins the scope by its handle, PINS times. The opener closes on
 * a third worker; twice its wait may run out, and it comes again.
 *
 * Memory is TSO where that matters: the home worker's plain stores to `section` and `local` go through a buffer, in order, and
 * are seen by others later; locked instructions of its own, and the heavy fence, drain it.
 *
 * Promises: a scope that is ended has no member and no pin left; nobody touches it afterwards but for the slot's
 * lock, so the slot may be reused; the closer does not wait for ever.
 *
 * A left-out step, each of which spin must reject: NO_BIAS, NO_UNBIAS, NO_FENCE, NO_QUIESCE, NO_PINS, NO_RELOOK.
 * Not here: a wait without closing; endings put off.
 * tests/model/spin_test.sh runs all variants. */
#ifdef NO_BIAS
#define BIAS 0
#else
#define BIAS 16
#endif
#ifndef PINS
#define PINS 2
#endif

/* The word: one locked instruction is one atomic step. */
short count = BIAS;
bool watched = false, dead = false;

bool locked = false;
bool home = true;   /* `home` names worker H */
bool section = false; /* as others see it: odd */
short shared_local = 2;      /* likewise */

/* The home worker's own view, and what is on its way to memory. */
bool own_section = false;
short own_local = 2;
bool dirty_section = false, dirty_local = false;

bool closer_waits = false;

/* Ghosts: what is promised, not what is there. */
byte alive = 2, pins = 0;
bool freed = false;

#define drain_buffer section = own_section; shared_local = own_local; dirty_section = false; dirty_local = false

inline take_lock() { atomic { !locked -> locked = true } }
inline release_lock() { locked = false }

/* The store buffer of H: `local` is never seen before the odd section, nor after the even one. */
inline store_section(v) {
    atomic { !dirty_section && !dirty_local -> own_section = v; dirty_section = true }
}
inline store_local(v) {
    atomic { own_local = v; dirty_local = true }
}
active proctype store_buffer() {
end:
    do
    :: atomic { dirty_section && !(dirty_local && !own_section) -> section = own_section; dirty_section = false }
    :: atomic { !dirty_section && dirty_local -> shared_local = own_local; dirty_local = false }
    od
}

/* count_leave_shared, by one. */
inline leave_shared() {
    atomic {
        assert(!freed && count >= 1);
        count--;
        last = (count == 0 && watched);
    }
    if
    :: last -> drained()
    :: else
    fi
}

/* scope_drained. Two may be on their way, if the count rose and fell again: then the second clears the flag, and the first may
 * find the scope ended when it has the lock. The lock belongs to the slot, so that is all it may touch. */
inline drained() {
    take_lock();
#ifdef NO_RELOOK
    atomic { assert(!freed); watched = false; closer_waits = false }
#else
    if
    :: atomic { count == 0 && !dead -> assert(!freed); watched = false; closer_waits = false }
    :: else
    fi;
#endif
    release_lock()
}

/* count_at_home by H; `done`: `local` was changed. */
inline at_home(n) {
    store_section(true);
    /* light fence: none */
    done = home;
    if
    :: done -> store_local(own_local + n)
    :: else
    fi;
    store_section(false)
}

active proctype home_worker() {
    bool done, last;
    byte n = 2;
    alive++;
    at_home(1);
    if
    :: !done -> atomic { drain_buffer; assert(!freed && !dead); count++ }
    :: else
    fi;
    do
    :: n > 0 ->
        n--;
        alive--;
        at_home(-1);
        if
        :: !done -> d_step { drain_buffer }; leave_shared()
        :: else
        fi
    :: else -> break
    od
}

active proctype other_worker() {
    bool last;
    /* The member stolen from home ends here, after spawning one more member that ends here, too. */
    atomic { assert(!freed && !dead); count++; alive++ }
    atomic { alive-- }
    leave_shared();
    atomic { alive-- }
    leave_shared()
}

active proctype canceller() {
    byte n = 0;
    bool last, pinned;
    do
    :: n < PINS ->
        n++;
#ifdef NO_PINS
        atomic { pinned = !dead; if :: pinned -> pins++ :: else fi }
        if :: pinned -> assert(!freed); pins-- :: else fi
#else
        atomic { pinned = !dead; if :: pinned -> count++; pins++ :: else fi }
        if
        :: pinned -> assert(!freed); pins--; leave_shared()
        :: else
        fi
#endif
    :: else -> break
    od
}

inline unbias() {
    if
    :: home ->
        home = false;
#ifndef NO_FENCE
        d_step { drain_buffer }
#endif
#ifndef NO_QUIESCE
        !section;
#endif
        atomic { count = count + shared_local - BIAS }
    :: else
    fi
}

/* count_watch: `again`: there is something to wait for. */
inline watch() {
#ifndef NO_UNBIAS
    unbias();
#endif
    atomic {
        if
        :: count == 0 -> again = watched
        :: else -> watched = true; again = true
        fi
    }
}

active proctype closer() {
    bool again, killed = false;
    byte ran_out = 0;
    take_lock();
    do
    :: !killed ->
        watch();
        if
        :: again ->
            closer_waits = true;
            release_lock();
            if
            :: !closer_waits
            :: ran_out < 2 -> ran_out++
            fi;
            take_lock();
            closer_waits = false
        :: else ->
            atomic {
                if
                :: count == 0 -> dead = true; killed = true; assert(alive == 0)
#ifndef NO_PINS
                   ; assert(pins == 0)
#endif
                :: else
                fi
            }
        fi
    :: else -> break
    od;
    release_lock();
    freed = true
}
