/* Race, first success, quorum: loops over a scope that keeps outcomes.
 *
 * The scope collects: an entry's error cancels nobody by itself and counts as observed. Which entry a record belongs to
 * is in its argument, which is the entry. Everything is decided by the order of the scope's queue, that is, under one
 * lock; what was not taken from it when the decision fell is dropped at close. */
#include <belay/race.h>

#include "owner/joins.h"

/* What is to be had, and what there is. */
typedef struct contest {
    belay_task *self;
    const belay_entry *entries;
    size_t n;
    belay_scope scope;
    /* Entries from here on could not be spawned, and their end is still to be told. */
    size_t refused;
    const char *site;
} contest;

static belay_status entry_body(belay_task *self, void *arg) {
    const belay_entry *e = arg;
    return e->body(self, e->arg);
}

static void entry_drop(void *arg) {
    const belay_entry *e = arg;
    if (e->arg_drop != NULL) {
        e->arg_drop(e->arg);
    }
}

static belay_status check_entries(belay_task *self, const belay_entry *entries, size_t n) {
    belay_status status = self == NULL ? BELAY_ECONTEXT : check_waiter(self);
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    if (status == BELAY_OK && (entries == NULL || n == 0)) {
        status = BELAY_EINVAL;
    }
    for (size_t i = 0; status == BELAY_OK && i < n; i++) {
        status = entries[i].body != NULL ? BELAY_OK : BELAY_EINVAL;
    }
    return status;
}

static bool spawn_entry(const contest *c, size_t i) {
    const belay_entry *e = &c->entries[i];
    const belay_task_options o = {.name = e->name, .arg_drop = entry_drop};
    void *arg = (void *)(uintptr_t)e; /* read only */
    if (belay_spawn_from(c->self, c->scope, entry_body, arg, &o, NULL, c->site) == BELAY_OK) {
        return true;
    }
    call_drop(entry_drop, arg);
    return false;
}

static belay_status begin(contest *c) {
    const belay_scope_options o = {
        .name = "race", .policy = BELAY_COLLECT, .flags = BELAY_SCOPE_KEEP_OUTCOMES};
    belay_status status = check_entries(c->self, c->entries, c->n);
    if (status == BELAY_OK) {
        status = belay_scope_open_from(c->self, &o, &c->scope, c->site);
    }
    if (status != BELAY_OK) {
        return status;
    }
    size_t i = 0;
    while (i < c->n && spawn_entry(c, i)) {
        i++;
    }
    c->refused = i;
    for (i++; i < c->n; i++) {
        call_drop(entry_drop, (void *)(uintptr_t)&c->entries[i]);
    }
    return BELAY_OK;
}

static void drop_outcome(belay_outcome *o) {
    if (o->result_drop != NULL) {
        call_drop(o->result_drop, o->result);
    }
    o->has_result = false;
    o->result = NULL;
    o->result_drop = NULL;
}

/* The caller's cancel reaches the entries, too, and perhaps first: an entry that it ended has not won. A value stays
 * one. */
static bool is_ours(const contest *c, belay_outcome *outcome) {
    bool ours =
        outcome->kind != BELAY_OUTCOME_VALUE && outcome->cancel_requested && task_canceled(c->self);
    if (ours) {
        drop_outcome(outcome);
        cancel_refused(c->self);
    }
    return ours;
}

/* The next entry to end. BELAY_OK, BELAY_ENOENT, BELAY_ECANCELED. Those that could not be spawned come first. */
static belay_status next_entry(contest *c, size_t *index, belay_outcome *outcome) {
    if (c->refused < c->n) {
        *index = c->refused++;
        *outcome = (belay_outcome){.kind = BELAY_OUTCOME_ERROR, .status = BELAY_ENOMEM};
        return BELAY_OK;
    }
    belay_task_handle task;
    belay_status status = belay_scope_next(c->self, c->scope, outcome, &task);
    if (status == BELAY_OK) {
        belay_executor *ex = load_relaxed(&c->self->scope)->executor; /* relaxed: own */
        const belay_task *t = slab_at(&ex->tasks, task.slot);
        *index = (size_t)((const belay_entry *)t->arg - c->entries);
        (void)belay_task_release(task);
    }
    return status == BELAY_OK && is_ours(c, outcome) ? BELAY_ECANCELED : status;
}

/* All others are cancelled, and have ended. What close says is about them, and of no interest. */
static void end(contest *c) {
    (void)belay_scope_cancel_from(c->scope, BELAY_OK, "decided", c->site);
    (void)belay_scope_close(c->self, c->scope);
}

static void give(const belay_outcome *o, size_t index, belay_outcome *outcome, size_t *winner) {
    if (winner != NULL) {
        *winner = index;
    }
    if (outcome != NULL) {
        *outcome = *o;
    } else {
        belay_outcome unwanted = *o;
        drop_outcome(&unwanted);
    }
}

belay_status belay_race_from(belay_task *self, const belay_entry *entries, size_t n, size_t *winner,
                             belay_outcome *outcome, const char *site) {
    contest c = {.self = self, .entries = entries, .n = n, .site = site};
    belay_status status = begin(&c);
    if (status != BELAY_OK) {
        return status;
    }
    size_t index = 0;
    belay_outcome first;
    status = next_entry(&c, &index, &first);
    end(&c);
    if (status == BELAY_OK) {
        give(&first, index, outcome, winner);
    }
    return status;
}

belay_status belay_first_success_from(belay_task *self, const belay_entry *entries, size_t n,
                                      size_t *winner, belay_outcome *outcome, const char *site) {
    contest c = {.self = self, .entries = entries, .n = n, .site = site};
    belay_status status = begin(&c);
    if (status != BELAY_OK) {
        return status;
    }
    size_t index = 0, failed_index = 0;
    belay_outcome one = {0}, failed = {0};
    while ((status = next_entry(&c, &index, &one)) == BELAY_OK && one.kind != BELAY_OUTCOME_VALUE) {
        drop_outcome(&one);
        if (failed.kind == 0) {
            failed = one;
            failed_index = index;
        }
    }
    end(&c);
    if (status == BELAY_OK) {
        give(&one, index, outcome, winner);
    } else if (status == BELAY_ENOENT) {
        give(&failed, failed_index, outcome, winner);
    }
    return status;
}

/* Takes outcomes until there are enough, or cannot be. */
static belay_status gather(contest *c, size_t need, size_t *winners, belay_outcome *outcomes,
                           size_t *got) {
    size_t failed = 0;
    while (*got < need) {
        size_t index;
        belay_outcome one;
        belay_status status = failed > c->n - need ? BELAY_ENOENT : next_entry(c, &index, &one);
        if (status != BELAY_OK) {
            return status;
        }
        if (one.kind != BELAY_OUTCOME_VALUE) {
            drop_outcome(&one);
            failed++;
        } else {
            give(&one, index, outcomes != NULL ? &outcomes[*got] : NULL,
                 winners != NULL ? &winners[*got] : NULL);
            ++*got;
        }
    }
    return BELAY_OK;
}

belay_status belay_quorum_from(belay_task *self, const belay_entry *entries, size_t n, size_t need,
                               size_t *winners, belay_outcome *outcomes, size_t *got,
                               const char *site) {
    size_t count = 0;
    contest c = {.self = self, .entries = entries, .n = n, .site = site};
    belay_status status = check_entries(self, entries, n);
    if (status == BELAY_OK && (need == 0 || need > n)) {
        status = BELAY_EINVAL;
    }
    if (status == BELAY_OK) {
        status = begin(&c);
    }
    if (status == BELAY_OK) {
        status = gather(&c, need, winners, outcomes, &count);
        end(&c);
    }
    if (status != BELAY_OK && status != BELAY_ENOENT) {
        for (size_t i = 0; outcomes != NULL && i < count; i++) {
            drop_outcome(&outcomes[i]);
        }
        count = 0;
    }
    if (got != NULL) {
        *got = count;
    }
    return status;
}
