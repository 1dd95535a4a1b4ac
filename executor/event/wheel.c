/* See event/wheel.h. */
#include "event/wheel.h"
#include "base/mutant.h"

#include "sched/block.h"

enum { FIRE_BATCH = 128, DIGIT_BITS = 6 };

static const uint64_t TICK_MASK =
    (UINT64_C(1) << DIGIT_BITS * WHEEL_LEVELS) - 1; /* every tick fits */

_Static_assert(DIGIT_BITS *WHEEL_LEVELS + WHEEL_TICK_BITS >= 63, "every time has a place");

static uint64_t tick_of(int64_t deadline) {
    uint64_t ns = deadline <= 0 ? 0 : (uint64_t)deadline;
    return (ns >> WHEEL_TICK_BITS) + ((ns & ((1u << WHEEL_TICK_BITS) - 1)) != 0);
}

static int64_t time_of(uint64_t tick) {
    return tick > ((uint64_t)INT64_MAX >> WHEEL_TICK_BITS) ? PORT_NEVER
                                                           : (int64_t)(tick << WHEEL_TICK_BITS);
}

static unsigned digit_of(uint64_t tick, unsigned level) {
    return (unsigned)(tick >> (DIGIT_BITS * level)) & (WHEEL_SLOTS - 1);
}

void wheel_init(wheel *w, sched *s, uint32_t index) {
    lock_init(&w->lock);
    w->sched = s;
    w->index = index;
    w->now = (uint64_t)port_clock_now() >> WHEEL_TICK_BITS;
    w->firing = 0;
    init_plain(&w->next, PORT_NEVER);
    for (int level = 0; level < WHEEL_LEVELS; level++) {
        w->used[level] = 0;
        for (int slot = 0; slot < WHEEL_SLOTS; slot++) {
            list_init(&w->slot[level][slot]);
        }
    }
}

/* Puts the timer where its tick belongs, seen from w->now. Under the lock. */
static void place(wheel *w, timer *t) {
    uint64_t tick = t->tick < w->now ? w->now : t->tick;
    uint64_t differ = tick ^ w->now;
    unsigned level = differ == 0 ? 0 : (63u - (unsigned)__builtin_clzll(differ)) / DIGIT_BITS;
    t->level = level & 0xf;
    t->slot = digit_of(tick, level) & (WHEEL_SLOTS - 1);
    list_append(&w->slot[level][t->slot], &t->link);
    w->used[level] |= UINT64_C(1) << t->slot;
}

static void unplace(wheel *w, timer *t) {
    list_remove(&t->link);
    if (list_empty(&w->slot[t->level][t->slot]) || MUTANT(wheel_slot_forgotten)) {
        w->used[t->level] &= ~(UINT64_C(1) << t->slot);
    }
}

/* A slot above the lowest level that contains the present was moved down only in part: what is left in it may be
 * earlier than what lies below, so it comes first. */
static bool unfinished_slot(const wheel *w, unsigned *level, unsigned *slot) {
    for (unsigned i = 1; i < WHEEL_LEVELS; i++) {
        unsigned digit = digit_of(w->now, i);
        if ((w->used[i] >> digit & 1) != 0) {
            *level = i;
            *slot = digit;
            return true;
        }
    }
    return false;
}

/* The first used slot and the tick at which it begins. False: the wheel is empty. Under the lock. */
static bool first_slot(const wheel *w, unsigned *level, unsigned *slot, uint64_t *tick) {
    if (unfinished_slot(w, level, slot)) {
        *tick = w->now;
        return true;
    }
    for (unsigned i = 0; i < WHEEL_LEVELS; i++) {
        if (w->used[i] != 0) {
            unsigned shift = DIGIT_BITS * i;
            *level = i;
            *slot = (unsigned)__builtin_ctzll(w->used[i]);
            *tick = ((w->now >> shift >> DIGIT_BITS << DIGIT_BITS) | *slot) << shift;
            return true;
        }
    }
    return false;
}

static void update_next(wheel *w) {
    unsigned level, slot;
    uint64_t tick;
    int64_t next = first_slot(w, &level, &slot, &tick) ? time_of(tick) : PORT_NEVER;
    if (load_relaxed(&w->next) != next) { /* relaxed: written under the lock we hold */
        store_seq_cst(&w->next, next);    /* pairs with wheel_next in idle_park */
    }
}

void timer_arm(wheel *w, timer *t, int64_t deadline) {
    CHECK(deadline != PORT_NEVER);
    t->wheel = w;
    lock_take(&w->lock);
    t->tick = tick_of(deadline) & TICK_MASK;
    int64_t before = load_relaxed(&w->next); /* relaxed: written under the lock we hold */
    place(w, t);
    update_next(w);
    bool earlier = load_relaxed(&w->next) < before;
    lock_release(&w->lock);
    worker *here = worker_current();
    if (earlier && (here == NULL || here->wheel != w || !block_serves(here, w->index))) {
        block_wake_server(w->sched, w->index);
    }
    w->sched->drv->busy(w->sched, true);
}

bool timer_disarm(timer *t) {
    wheel *w = t->wheel;
    lock_take(&w->lock);
    bool armed = !list_empty(&t->link);
    if (armed) {
        unplace(w, t); /* `next` may stay too early: one wake too many */
    }
    lock_release(&w->lock);
    return armed;
}

static void collect(due *d, runnable *r) {
    port_tsan_acquire(r);
    r->link.next = NULL;
    if (d->last == NULL) {
        d->first = r;
    } else {
        d->last->link.next = &r->link;
    }
    d->last = r;
}

static void fire_one(wheel *w, timer *t, due *d) {
    unplace(w, t);
    d->count++;
    runnable *r = t->fire(t, d);
    if (r != NULL) {
        collect(d, r);
    }
}

/* Fires or moves down the timers of the first slot, at most FIRE_BATCH. False: nothing is due. Under the lock. */
static bool advance(wheel *w, uint64_t now, due *d) {
    unsigned level, slot;
    uint64_t tick;
    if (!first_slot(w, &level, &slot, &tick) || tick > now) {
        w->now = now > w->now ? now : w->now;
        return false;
    }
    w->now = tick > w->now ? tick : w->now;
    list *head = &w->slot[level][slot];
    for (uint32_t i = 0; i < FIRE_BATCH && !list_empty(head); i++) {
        timer *t = list_entry(head->next, timer, link);
        if (t->tick <= w->now || MUTANT(wheel_no_cascade)) {
            fire_one(w, t, d);
        } else {
            unplace(w, t);
            place(w, t);
        }
    }
    return true;
}

static void submit_all(sched *s, runnable *r) {
    while (r != NULL) {
        runnable *next = runnable_next(r);
        upcall_submit(s, r);
        r = next;
    }
}

uint32_t wheel_poll(wheel *w, int64_t now) {
    uint64_t tick = (uint64_t)now >> WHEEL_TICK_BITS;
    uint32_t fired = 0;
    bool first = true;
    bool more = true;
    while (more) {
        due d = {0};
        lock_take(&w->lock);
        w->firing += first;
        first = false;
        more = advance(w, tick, &d);
        if (!more) {
            update_next(w);
            w->firing--; /* all that was fired is submitted */
        }
        lock_release(&w->lock);
        submit_all(w->sched, d.first);
        for (late_timer *t = d.later; t != NULL;) {
            late_timer *next = t->later;
            t->after(t);
            t = next;
        }
        fired += d.count;
    }
    return fired;
}

wheel *wheel_here(sched *s) {
    worker *w = worker_current();
    if (w != NULL && w->sched == s) {
        return w->wheel;
    }
    return s->workers[port_thread_hash() % s->count].wheel;
}

bool wheel_empty(wheel *w) {
    lock_take(&w->lock);
    uint64_t used = w->firing;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        used |= w->used[level];
    }
    lock_release(&w->lock);
    return used == 0;
}

bool wheels_empty(const sched *s) {
    for (uint32_t i = 0; i < s->count; i++) {
        if (!wheel_empty(s->workers[i].wheel)) {
            return false;
        }
    }
    return true;
}
