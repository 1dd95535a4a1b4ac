/* The stack pool. The contract is in mem/stack.h.
 *
 * A chunk is one mapping: first its description and one `cell` for each of its stacks, then the
 * stacks, each with its guard below it. A cell is a place in a list and belongs to no stack in
 * particular: an unused stack sits in one, and handing the stack out frees the cell for whichever
 * stack comes back first. There are as many cells as stacks, so one is always there, and nothing
 * has to be written into the pages of an unused stack, which would keep them in memory.
 *
 * An unused stack is
 *   fresh   never handed out; without a guard yet (the last chunk->fresh of a chunk)
 *   warm    in the cache, its pages as the last user left them
 *   cold    its pages given back to the system
 * and is taken in the order warm, cold, fresh.
 *
 * `lock` guards the lists and the counts; `growth` is held by who maps a chunk, so that two threads
 * that find nothing do not both map one (and the second is not told that the limit is reached).
 * `growth` is taken first. System calls are made outside of `lock`, on a stack that is then in
 * nobody's list.
 *
 * Guards: the kinds a stack can get are tried in order, the marker, then mprotect, and this for the
 * first MOST_PROTECTED stacks only: each takes two of the process's 65,530 mappings, and the host
 * needs some, too. A stack without a guard page has a canary in the first CANARY_SIZE bytes of its
 * region, and begins right above it: `low` is then not at a page's start, which is how it is told
 * from the others. */
#include "mem/stack.h"

#include "base/check.h"
#include "mem/canary.h"
#include "port/fiber.h"

enum {
    LEAST_PAGES = 4,
    FIRST_CHUNK = 64,
    LARGEST_CHUNK = 1024,
    MOST_PROTECTED = 16000,
};

static const size_t largest_mapping = (size_t)256 << 20;

typedef struct cell {
    struct cell *next;
    char *low; /* of a stack, as in struct stack */
} cell;

typedef struct chunk {
    struct chunk *next;
    size_t mapped_size;
    char *regions; /* a region is a stack with its guard */
    uint32_t count;
    uint32_t fresh; /* under the pool's lock */
    cell cells[];
} chunk;

typedef ATOMIC(uint64_t) counter;

struct stack_pool {
    const allocator *alloc;
    size_t page;
    size_t region_size;
    uint32_t cache;
    uint64_t limit; /* UINT64_MAX: none */

    lock growth;
    lock lock;
    /* under lock */
    chunk *chunks; /* newest first: only the first can have fresh ones */
    cell *warm;
    cell *cold;
    cell *empty;
    /* written under lock, read by anyone, as numbers only */
    counter mapped;
    counter in_use;
    counter peak;
    counter cached;
    /* written and read by anyone, as numbers only */
    counter protected;
    counter with_canary;
};

stack_pool *stack_pool_create(const allocator *alloc, size_t size, uint32_t cache, uint32_t limit) {
    stack_pool *pool = mem_allocate(alloc, sizeof *pool, _Alignof(stack_pool));
    if (pool == NULL) {
        return NULL;
    }
    size_t page = port_page_size();
    size_t least = LEAST_PAGES * page;
    size_t wanted = size < SIZE_MAX / 2 ? size : SIZE_MAX / 2; /* no mapping will ever do for it */
    pool->alloc = alloc;
    pool->page = page;
    pool->region_size = wanted < least ? least : (wanted + page - 1) / page * page;
    pool->cache = cache;
    pool->limit = limit > 0 ? limit : UINT64_MAX;
    lock_init(&pool->growth);
    lock_init(&pool->lock);
    return pool;
}

void stack_pool_destroy(stack_pool *pool) {
    CHECK(load_relaxed(&pool->in_use) == 0); /* relaxed: nobody else uses the pool any more */
    chunk *next;
    for (chunk *c = pool->chunks; c != NULL; c = next) {
        next = c->next;
        port_asan_unpoison(c, c->mapped_size); /* the host may get these addresses next */
        port_pages_unmap(c, c->mapped_size);
    }
    mem_release(pool->alloc, pool, sizeof *pool, _Alignof(stack_pool));
}

/* ---- lists, under the lock ------------------------------------------------------------------- */

static void push(cell **stack_list, cell *c) {
    c->next = *stack_list;
    *stack_list = c;
}

static cell *pop(cell **stack_list) {
    cell *c = *stack_list;
    if (c != NULL) {
        *stack_list = c->next;
    }
    return c;
}

static void store(stack_pool *pool, cell **stack_list, char *low) {
    cell *c = pop(&pool->empty);
    CHECK(c != NULL); /* a stack came back that was never handed out, or twice */
    c->low = low;
    push(stack_list, c);
}

static char *take(stack_pool *pool, cell **stack_list) {
    cell *c = pop(stack_list);
    if (c == NULL) {
        return NULL;
    }
    push(&pool->empty, c);
    return c->low;
}

/* Returns a region, not a stack: it has no guard yet. */
static char *take_fresh(stack_pool *pool) {
    chunk *c = pool->chunks;
    if (c == NULL || c->fresh == 0) {
        return NULL;
    }
    size_t index = c->count - c->fresh--;
    return c->regions + index * pool->region_size;
}

static void count_taken(stack_pool *pool) {
    owner_add(&pool->in_use, 1);
    /* relaxed, both: written only under the lock */
    if (load_relaxed(&pool->in_use) > load_relaxed(&pool->peak)) {
        store_relaxed(&pool->peak, load_relaxed(&pool->in_use));
    }
}

/* ---- guards ---------------------------------------------------------------------------------- */

static bool has_canary(const stack_pool *pool, const char *low) {
    return ((uintptr_t)low & (pool->page - 1)) != 0;
}

static stack stack_at(const stack_pool *pool, char *low) {
    size_t guard = has_canary(pool, low) ? CANARY_SIZE : pool->page;
    return (stack){low, pool->region_size - guard};
}

/* First use of a region; returns the stack's `low`. Several threads may be here at once, so that
 * the bound may be exceeded by a few. */
static char *guard_region(stack_pool *pool, char *region) {
    port_guard guard = PORT_GUARD_NONE;
    if (load_relaxed(&pool->protected) < MOST_PROTECTED) { /* relaxed: see above */
        guard = port_pages_guard(region, pool->page);
    }
    if (guard == PORT_GUARD_NONE) {
        fetch_add_relaxed(&pool->with_canary, 1); /* relaxed: a number */
        return region + CANARY_SIZE;
    }
    if (guard == PORT_GUARD_PROTECT) {
        fetch_add_relaxed(&pool->protected, 1); /* relaxed: a number */
    }
    return region + pool->page;
}

/* ---- chunks ---------------------------------------------------------------------------------- */

static size_t header_size(const stack_pool *pool, uint32_t count) {
    size_t bytes = sizeof(chunk) + count * sizeof(cell);
    return (bytes + pool->page - 1) / pool->page * pool->page;
}

/* As many as exist already, within bounds: a program with a million stacks needs few mappings, and
 * one with ten pays for 64 at most. 0: the limit is reached. */
static uint32_t chunk_count(const stack_pool *pool) {
    uint64_t mapped =
        load_relaxed(&pool->mapped); /* relaxed: changes under `growth`, which we hold */
    uint64_t count = mapped < FIRST_CHUNK ? FIRST_CHUNK : mapped;
    uint64_t fitting = largest_mapping / pool->region_size;
    uint64_t left = pool->limit - mapped;
    count = count < LARGEST_CHUNK ? count : LARGEST_CHUNK;
    count = count < fitting ? count : fitting > 0 ? fitting : 1;
    return (uint32_t)(count < left ? count : left);
}

/* Address space may be short where the system does not overcommit: then fewer. */
static chunk *chunk_map(const stack_pool *pool) {
    for (uint32_t count = chunk_count(pool); count > 0; count /= 2) {
        size_t header = header_size(pool, count);
        size_t size = header + count * pool->region_size;
        chunk *c = port_pages_map(size, pool->page);
        if (c != NULL) {
            c->mapped_size = size;
            c->regions = (char *)c + header;
            c->count = count;
            c->fresh = count;
            return c;
        }
    }
    return NULL;
}

static void chunk_add(stack_pool *pool, chunk *c) {
    lock_take(&pool->lock);
    c->next = pool->chunks;
    pool->chunks = c;
    for (uint32_t i = 0; i < c->count; i++) {
        push(&pool->empty, &c->cells[i]);
    }
    owner_add(&pool->mapped, c->count);
    lock_release(&pool->lock);
}

/* ---- get and put ----------------------------------------------------------------------------- */

typedef struct taken {
    char *low; /* a region, when fresh */
    bool fresh;
} taken;

static bool take_any(stack_pool *pool, taken *out) {
    lock_take(&pool->lock);
    taken t = {take(pool, &pool->warm), false};
    if (t.low != NULL) {
        owner_add(&pool->cached, -1);
    } else if ((t.low = take(pool, &pool->cold)) == NULL) {
        t = (taken){take_fresh(pool), true};
    }
    if (t.low != NULL) {
        count_taken(pool);
    }
    lock_release(&pool->lock);
    *out = t;
    return t.low != NULL;
}

/* Others may take all of a new chunk before we do, hence the loop. */
static bool take_or_grow(stack_pool *pool, taken *out) {
    if (take_any(pool, out)) {
        return true;
    }
    lock_take(&pool->growth);
    chunk *c = NULL;
    bool found;
    while (!(found = take_any(pool, out)) && (c = chunk_map(pool)) != NULL) {
        chunk_add(pool, c);
    }
    lock_release(&pool->growth);
    return found;
}

/* The whole pages that a stack lies in. */
static stack pages_of(const stack_pool *pool, const stack *s) {
    size_t before = (uintptr_t)s->low & (pool->page - 1);
    return (stack){(char *)s->low - before, s->size + before};
}

static void put_cold(stack_pool *pool, char *low) {
    lock_take(&pool->lock);
    store(pool, &pool->cold, low);
    owner_add(&pool->in_use, -1);
    lock_release(&pool->lock);
}

bool stack_get(stack_pool *pool, stack *out) {
    taken t;
    if (!take_or_grow(pool, &t)) {
        return false;
    }
    stack s = stack_at(pool, t.fresh ? guard_region(pool, t.low) : t.low);
    stack pages = pages_of(pool, &s);
    if (!t.fresh && !port_stack_reuse(pages.low, pages.size)) {
        put_cold(pool, s.low);
        return false;
    }
    if (has_canary(pool, s.low)) {
        canary_write(s.low); /* every time: giving the pages back erases it */
    }
    *out = s;
    return true;
}

/* True when there was room. */
static bool put_warm(stack_pool *pool, char *low) {
    lock_take(&pool->lock);
    CHECK(load_relaxed(&pool->in_use) > 0);                /* relaxed: written under the lock */
    bool room = load_relaxed(&pool->cached) < pool->cache; /* relaxed: written under the lock */
    if (room) {
        store(pool, &pool->warm, low);
        owner_add(&pool->cached, 1);
        owner_add(&pool->in_use, -1);
    }
    lock_release(&pool->lock);
    return room;
}

static size_t discard(const stack_pool *pool, char *low) {
    stack s = stack_at(pool, low);
    stack pages = pages_of(pool, &s);
    port_pages_discard(pages.low, pages.size);
    return pages.size;
}

void stack_put(stack_pool *pool, stack used) {
    CHECK(used.size == stack_at(pool, used.low).size);
    if (has_canary(pool, used.low)) {
        canary_check(used.low);
    }
    if (!put_warm(pool, used.low)) {
        discard(pool, used.low);
        put_cold(pool, used.low);
    }
}

/* One at a time, so that a thread that needs a stack meanwhile finds all but one. It counts as in
 * use until it is cold. */
static bool trim_one(stack_pool *pool, size_t *discarded) {
    lock_take(&pool->lock);
    char *low = take(pool, &pool->warm);
    if (low != NULL) {
        owner_add(&pool->cached, -1);
        count_taken(pool);
    }
    lock_release(&pool->lock);
    if (low == NULL) {
        return false;
    }
    *discarded += discard(pool, low);
    put_cold(pool, low);
    return true;
}

size_t stack_pool_trim(stack_pool *pool) {
    size_t discarded = 0;
    /* relaxed: as many as there were, so that it ends although others go on */
    for (uint64_t left = load_relaxed(&pool->cached); left > 0; left--) {
        if (!trim_one(pool, &discarded)) {
            break;
        }
    }
    return discarded;
}

/* ---- diagnosis ------------------------------------------------------------------------------- */

void stack_pool_read(const stack_pool *pool, stack_pool_counts *out) {
    /* relaxed, all: numbers that belong together only when nothing moves */
    out->mapped = load_relaxed(&pool->mapped);
    out->in_use = load_relaxed(&pool->in_use);
    out->peak = load_relaxed(&pool->peak);
    out->cached = load_relaxed(&pool->cached);
    out->guard = load_relaxed(&pool->with_canary) > 0 ? PORT_GUARD_NONE
                 : load_relaxed(&pool->protected) > 0 ? PORT_GUARD_PROTECT
                                                      : PORT_GUARD_MARKER;
}

/* A canary's page is always touched, and says nothing about the stack's use: it counts as used only
 * when the page above it is. */
size_t stack_used(const stack *s) {
    size_t page = port_page_size();
    size_t canary_page = (size_t)(-(uintptr_t)s->low & (page - 1));
    size_t rest = s->size - canary_page;
    size_t touched = port_pages_touched((char *)s->low + canary_page, rest);
    return touched == rest ? s->size : touched;
}
