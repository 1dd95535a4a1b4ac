/* The table of waiters by descriptor: linking, delivering, closing. See event/fd.h and docs/protocols/fd.md. */
#include "event/fd.h"
#include "base/mutant.h"

/* All open tables of the process, and the threads that poll for themselves: for fd_close. The lock is taken before any
 * slot's. */
static lock tables_lock;
static list tables = {&tables, &tables};
static list foreign = {&foreign, &foreign};

void fd_lose_all(void) {
    lock_init(&tables_lock); /* whoever held it stayed in the parent */
    list_init(&tables);
    list_init(&foreign);
}

/* ---- opening ------------------------------------------------------------------------------------------------- */

void fd_init(fd_table *t, sched *s, const allocator *alloc) {
    t->sched = s;
    t->alloc = alloc;
    t->chunks = NULL;
    t->fetched = 0;
    init_plain(&t->open, 0u);
    init_plain(&t->linked, 0u);
    init_plain(&t->role, FD_FREE);
    lock_init(&t->grow);
    list_init(&t->sibling);
    for (uint32_t i = 0; i < FD_LOCKS; i++) {
        lock_init(&t->locks[i]);
    }
}

/* Under `grow`. */
static fd_linked open_now(fd_table *t) {
    t->chunks = mem_allocate(t->alloc, FD_CHUNKS * sizeof *t->chunks, 64);
    if (t->chunks == NULL) {
        return FD_NOMEM;
    }
    if (!port_poller_open(&t->poller)) {
        mem_release(t->alloc, t->chunks, FD_CHUNKS * sizeof *t->chunks, 64);
        t->chunks = NULL;
        return FD_NOPOLLER;
    }
    store_release(&t->open, 1u); /* pairs with the acquire in open_table */
    return FD_LINKED;
}

static fd_linked open_table(fd_table *t) {
    if (likely(load_acquire(&t->open) != 0)) { /* pairs with open_now */
        return FD_LINKED;
    }
    fd_linked result = FD_LINKED;
    lock_take(&tables_lock);
    lock_take(&t->grow);
    if (load_relaxed(&t->open) == 0) { /* relaxed: written under the lock */
        result = open_now(t);
        if (result == FD_LINKED) {
            list_append(&tables, &t->sibling);
        }
    }
    lock_release(&t->grow);
    lock_release(&tables_lock);
    return result;
}

void fd_fini(fd_table *t) {
    if (t->chunks == NULL) {
        return;
    }
    CHECK(!fd_wanted(t));
    lock_take(&tables_lock);
    list_remove(&t->sibling);
    lock_release(&tables_lock);
    port_poller_close(&t->poller);
    for (uint32_t i = 0; i < FD_CHUNKS; i++) {
        /* relaxed: nobody else is there */
        mem_release(t->alloc, load_relaxed(&t->chunks[i]), sizeof(fd_chunk), 64);
    }
    mem_release(t->alloc, t->chunks, FD_CHUNKS * sizeof *t->chunks, 64);
    t->chunks = NULL;
}

/* ---- slots ----------------------------------------------------------------------------------------------------- */

static lock *lock_of(fd_table *t, int fd) {
    return &t->locks[(uint32_t)fd % FD_LOCKS];
}

/* NULL: it was never waited for. */
static fd_slot *slot_at(fd_table *t, int fd) {
    uint32_t index = (uint32_t)fd / FD_CHUNK;
    /* pairs with the release in chunk_make */
    fd_chunk *c = index < FD_CHUNKS ? load_acquire(&t->chunks[index]) : NULL;
    return c == NULL ? NULL : &c->slot[(uint32_t)fd % FD_CHUNK];
}

static void chunk_make(fd_table *t, uint32_t index) {
    lock_take(&t->grow);
    fd_chunk *c = load_relaxed(&t->chunks[index]); /* relaxed: written under the lock */
    if (c == NULL && (c = mem_allocate(t->alloc, sizeof *c, 64)) != NULL) {
        for (uint32_t i = 0; i < FD_CHUNK; i++) {
            c->slot[i] = (fd_slot){0};
            list_init(&c->slot[i].waiters);
        }
        store_release(&t->chunks[index], c); /* pairs with slot_at */
    }
    lock_release(&t->grow);
}

static fd_slot *slot_make(fd_table *t, int fd) {
    fd_slot *s = slot_at(t, fd);
    if (s == NULL && (uint32_t)fd / FD_CHUNK < FD_CHUNKS) {
        chunk_make(t, (uint32_t)fd / FD_CHUNK);
        s = slot_at(t, fd);
    }
    return s;
}

static fd_node *node_of(list *link) {
    return list_entry(link, fd_node, link);
}

/* ---- waking and arming; under the slot's lock -------------------------------------------------------------------- */

static void wake(fd_node *n, uint32_t ready) {
    list_remove(&n->link);
    n->ready = ready;
    n->wake(n);
}

static void wake_all(fd_slot *s, uint32_t ready) {
    while (!list_empty(&s->waiters)) {
        wake(node_of(s->waiters.next), ready);
    }
}

/* A hang-up or an error is told to everybody it reaches, but wakes only who cannot go on waiting: the port has set READ
 * and WRITE for these. Returns the interest of those who remain. */
static uint32_t wake_ready(fd_slot *s, uint32_t ready) {
    uint32_t remaining = 0;
    for (list *link = s->waiters.next; link != &s->waiters;) {
        fd_node *n = node_of(link);
        link = link->next;
        if ((ready & (n->interest | PORT_FD_ERROR)) != 0) {
            wake(n, ready & (n->interest | PORT_FD_HANGUP | PORT_FD_ERROR));
        } else {
            remaining |= n->interest;
        }
    }
    return remaining;
}

static uint32_t interest_of(const fd_slot *s) {
    uint32_t interest = 0;
    if (s->armed != 0) { /* else nobody waits */
        for (const list *link = s->waiters.next; link != &s->waiters; link = link->next) {
            interest |= list_entry(link, const fd_node, link)->interest;
        }
    }
    return interest;
}

static port_watch arm(fd_table *t, fd_slot *s, int fd, uint32_t interest) {
    s->sequence++;
    port_watch watch =
        port_poller_arm(&t->poller, fd, (uint64_t)s->sequence << 32 | (uint32_t)fd, interest);
    s->armed = watch == PORT_WATCH_KNOWN || watch == PORT_WATCH_NEW ? interest : 0;
    return watch;
}

/* The present waiters' file is no longer under this number: of its readiness nothing will be heard. interest: of a
 * newcomer, for whom the number was armed; or 0. */
static void disown(fd_table *t, fd_slot *s, int fd, uint32_t interest) {
    wake_all(s, PORT_FD_BAD);
    if (interest != 0 && s->armed != 0 && s->armed != interest) {
        (void)arm(t, s, fd, interest);
    }
}

/* ---- linking ----------------------------------------------------------------------------------------------------- */

static fd_linked link_to(fd_table *t, fd_slot *s, fd_node *n) {
    uint32_t before = list_empty(&s->waiters) ? 0 : interest_of(s);
    port_watch watch = arm(t, s, n->fd, before | n->interest);
    if (before != 0 && watch != PORT_WATCH_KNOWN) {
        disown(t, s, n->fd, n->interest);
    }
    switch (watch) {
    case PORT_WATCH_KNOWN:
    case PORT_WATCH_NEW:
        list_append(&s->waiters, &n->link);
        fetch_add_acq_rel(&t->linked, 1u); /* pairs with fd_wanted */
        return FD_LINKED;
    case PORT_WATCH_ALWAYS:
        return FD_ALWAYS;
    case PORT_WATCH_BAD:
        return FD_CLOSED;
    case PORT_WATCH_FAILED:
        break;
    }
    return FD_NOPOLLER;
}

fd_linked fd_link(fd_table *t, fd_node *n) {
    fd_linked result = open_table(t);
    if (result != FD_LINKED) {
        return result;
    }
    fd_slot *s = slot_make(t, n->fd);
    if (s == NULL) {
        return FD_NOMEM;
    }
    list_init(&n->link);
    n->ready = 0;
    lock *l = lock_of(t, n->fd);
    lock_take(l);
    result = link_to(t, s, n);
    lock_release(l);
    return result;
}

void fd_unlink(fd_table *t, fd_node *n) {
    lock *l = lock_of(t, n->fd);
    lock_take(l);
    list_remove(&n->link);
    lock_release(l);
    fetch_sub_relaxed(&t->linked, 1u); /* relaxed: at worst somebody polls in vain */
}

/* ---- delivering -------------------------------------------------------------------------------------------------- */

void fd_deliver(fd_table *t, const port_event *e) {
    if (e->key == PORT_POLLER_WOKEN) {
        return;
    }
    int fd = (int)(uint32_t)e->key;
    fd_slot *s = slot_at(t, fd);
    CHECK(s != NULL);
    lock *l = lock_of(t, fd);
    lock_take(l);
    if (s->sequence == (uint32_t)(e->key >> 32) && s->armed != 0) {
        uint32_t remaining = wake_ready(s, e->ready);
        s->armed = 0;
        if (remaining != 0 && !MUTANT(fd_not_rearmed) &&
            arm(t, s, fd, remaining) != PORT_WATCH_KNOWN) {
            disown(t, s, fd, 0);
        }
    }
    lock_release(l);
}

/* ---- closing ----------------------------------------------------------------------------------------------------- */

/* Keeps everybody from linking to the number until `unfreeze`. */
static void freeze(fd_table *t, int fd) {
    lock_take(lock_of(t, fd));
    fd_slot *s = slot_at(t, fd);
    if (s != NULL) {
        if (!MUTANT(fd_close_no_wake)) {
            wake_all(s, PORT_FD_BAD);
        }
        if (s->sequence != 0) {
            port_poller_disarm(&t->poller, fd);
        }
        s->armed = 0;
    }
}

static void unfreeze(fd_table *t, int fd) {
    lock_release(lock_of(t, fd));
}

void fd_link_foreign(fd_node *n) {
    n->ready = 0;
    lock_take(&tables_lock);
    list_append(&foreign, &n->link);
    lock_release(&tables_lock);
}

void fd_unlink_foreign(fd_node *n) {
    lock_take(&tables_lock);
    list_remove(&n->link);
    lock_release(&tables_lock);
}

static void wake_foreign(int fd) {
    for (list *link = foreign.next; link != &foreign;) {
        fd_node *n = node_of(link);
        link = link->next;
        if (n->fd == fd) {
            wake(n, PORT_FD_BAD);
        }
    }
}

/* Also where nobody has ever waited: the first wait may begin just now. */
bool fd_close(int fd) {
    lock_take(&tables_lock);
    wake_foreign(fd);
    for (list *node = tables.next; node != &tables; node = node->next) {
        freeze(list_entry(node, fd_table, sibling), fd);
    }
    int last = port_fd_lingers(fd) ? port_fd_duplicate(fd) : -1; /* not under the locks */
    bool closed = port_fd_close(fd);
    for (list *node = tables.next; node != &tables; node = node->next) {
        unfreeze(list_entry(node, fd_table, sibling), fd);
    }
    lock_release(&tables_lock);
    if (last >= 0) {
        (void)port_fd_close(last);
    }
    return closed;
}
