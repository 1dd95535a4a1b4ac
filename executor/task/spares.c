/* Making fibers, and keeping those that nobody runs on: a worker's spares. See task/fiber.h.
 *
 * Spares are the worker's own. How many it makes at once rises, so that a worker whose tasks hardly suspend keeps few
 * stacks; what is too much goes back to the pool, the longest unused first. */
#include "sched/private.h"
#include "task/fiber.h"
#include "task/wait.h"

enum { SPARES = 16, SPARES_AT_ONCE = 8 };

static void give_stacks(fiber_pool *pool, const stack *memory, uint32_t count) {
    if (stack_put_some(pool->stacks, memory, count)) {
        pool->sched->drv->busy(pool->sched, false); /* who ages them exists, and may be asleep */
    }
}

/* A fiber at the top of a new stack. NULL: no fiber; the stack was given back. */
static fiber *fiber_new(fiber_pool *pool, stack memory) {
    uintptr_t top = ((uintptr_t)memory.low + memory.size - sizeof(fiber)) & ~(uintptr_t)63;
    fiber *f = (fiber *)top;
    f->memory = memory;
    f->home.task = NULL;
    list_init(&f->home.link);
    store_relaxed(&f->next, NULL); /* relaxed, here and below: not shared yet */
    store_relaxed(&f->deque, NULL);
    store_relaxed(&f->defers, NULL);
    store_relaxed(&f->awaits, AWAITS_NOBODY);
    store_relaxed(&f->marks, 0u);
    store_relaxed(&f->used, 0u);
    store_relaxed(&f->held.to, NULL);
    fork_view_init(&f->view);
    if (!port_fiber_init(&f->port, memory.low, memory.size, f, fiber_main, f)) {
        give_stacks(pool, &memory, 1);
        return NULL;
    }
    return f;
}

/* Nobody runs on it any more. Returns its stack, to be given back. ThreadSanitizer is not told: it would want an order
 * between the fiber and the task that happens to run next on this worker, and such an order would hide their races. */
__attribute__((noinline)) PORT_TSAN_BLIND static stack fiber_end(fiber_pool *pool, fiber *f) {
    fork_deque *deque = load_relaxed(&f->deque); /* relaxed: nobody runs on it */
    if (deque != NULL) {
        fork_deque_free(pool, deque);
    }
    port_fiber_fini(&f->port);
    return f->memory;
}

static void fiber_free(fiber_pool *pool, fiber *f) {
    stack memory = fiber_end(pool, f);
    give_stacks(pool, &memory, 1);
}

static void spare_push(worker *w, fiber *f) {
    store_relaxed(&f->next, load_relaxed(&w->spares)); /* relaxed: the owner's list */
    store_relaxed(&w->spares, f);
    owner_add(&w->spare_count, 1u);
}

/* How many to make: one more each time, so that a worker whose tasks hardly suspend keeps few stacks, and one whose
 * tasks all do seldom takes the pool's lock. */
static uint32_t spares_wanted(worker *w) {
    uint32_t made = load_relaxed(&w->spares_made); /* relaxed: own word */
    if (PORT_FIBER_PER_TASK || made == SPARES_AT_ONCE) {
        return PORT_FIBER_PER_TASK ? 1 : made;
    }
    store_relaxed(&w->spares_made, made + 1);
    return made + 1;
}

bool fiber_make_spare(worker *w) {
    fiber_pool *pool = fiber_pool_of(w);
    stack memory[SPARES_AT_ONCE];
    uint32_t count = stack_get_some(pool->stacks, memory, spares_wanted(w));
    for (uint32_t i = count; i-- > 0;) {
        fiber *f = fiber_new(pool, memory[i]);
        if (f != NULL) {
            spare_push(w, f);
        }
    }
    return load_relaxed(&w->spares) != NULL; /* relaxed: the owner's list */
}

/* Ends the spares that were used longest ago. There are SPARES. */
static void spares_shed(worker *w) {
    fiber *kept = load_relaxed(&w->spares); /* relaxed, here and below: the owner's list */
    for (uint32_t i = 1; i < SPARES - SPARES_AT_ONCE; i++) {
        kept = load_relaxed(&kept->next);
    }
    fiber_pool *pool = fiber_pool_of(w);
    stack memory[SPARES_AT_ONCE];
    fiber *f = load_relaxed(&kept->next);
    store_relaxed(&kept->next, NULL);
    for (uint32_t i = 0; i < SPARES_AT_ONCE; i++) {
        fiber *next = load_relaxed(&f->next);
        memory[i] = fiber_end(pool, f);
        f = next;
    }
    owner_add(&w->spare_count, -(uint32_t)SPARES_AT_ONCE);
    give_stacks(pool, memory, SPARES_AT_ONCE);
}

/* One spare must be in hand, for the task that is resumed now may suspend again. In builds with a fiber per task no
 * more are kept, because a task to start needs a new one; nor while some worker has no stack. */
void fiber_recycle(worker *w, fiber *f) {
    fiber_pool *pool = fiber_pool_of(w);
    bool in_hand = load_relaxed(&w->spares) != NULL; /* relaxed: the owner's list */
    /* relaxed: who starves looks again */
    if (in_hand && (PORT_FIBER_PER_TASK || unlikely(load_relaxed(&pool->starved) != 0))) {
        fiber_free(pool, f);
        return;
    }
    store_relaxed(&f->used, 1u);
    if (unlikely(load_relaxed(&w->spare_count) >= SPARES)) { /* relaxed: own word */
        spares_shed(w);
    }
    spare_push(w, f);
}

void fiber_drop_spares(worker *w) {
    for (fiber *f = fiber_spare_pop(w); f != NULL; f = fiber_spare_pop(w)) {
        fiber_free(fiber_pool_of(w), f);
    }
}
