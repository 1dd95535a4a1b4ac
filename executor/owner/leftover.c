/* Scopes that were opened from outside and are still there when the executor shuts down.
 *
 * Such a scope is held by nobody but its future closer, and counts in the root. It is found among the root's children
 * under the root's lock, which keeps it (a close detaches before it ends). `closing`, under the scope's own lock,
 * decides between its closer and us: whoever sets it first goes on to the end; the other is told BELAY_EALREADY, and
 * BELAY_ESTALE when the scope has ended, or finds it set and leaves the scope alone. After that the close is the
 * ordinary one: a task that came in at the last moment, and a pin, are waited for.
 *
 * A source that nobody has released is pinned instead, and loses all its references at once: then it ends by itself. An
 * owner is never taken away: its drained hook frees what a thread with a reference may be using. Nor is a scope with
 * deferred calls, which may do the same. Those are named, and waited for.
 *
 * No log hook is called under a lock: the names are copied. */
#include <stdio.h>

#include "owner/scope.h"

enum { NAMED = 8, LINE = 160 };

/* Under its lock. */
static void describe(scope *s, char line[LINE]) {
    const char *name = s->name != NULL ? s->name : "-";
    const char *site = s->site != NULL ? s->site : "-";
    if (s->kind == SCOPE_PLAIN) {
        snprintf(line, LINE, "scope %s (%s)%s", name, site,
                 cleanup_is_there(s) ? ", with deferred calls" : "");
    } else {
        snprintf(line, LINE, "%s %s (%s), references: %u",
                 s->kind == SCOPE_OWNER ? "owner" : "source", name, site,
                 (unsigned)load_relaxed(&s->external)); /* relaxed: a report */
    }
}

/* Under the parent's lock: was it opened from outside? */
static bool is_outsider(const scope *s) {
    /* relaxed: constant while open */
    return load_relaxed(&s->opener) == NULL && !scope_has(s, SCOPE_SERVICES);
}

/* Under the parent's lock. */
static bool is_left(scope *s) {
    lock_take(&s->lock);
    bool left = !s->closing && !s->reap && count_read(s) == 0;
    lock_release(&s->lock);
    return left;
}

/* Under the parent's lock: does its end call what frees objects that somebody outside may be using? */
static bool is_held(scope *s) {
    return s->kind == SCOPE_OWNER || (s->kind == SCOPE_PLAIN && cleanup_is_there(s));
}

bool leftover_only(scope *root) {
    uint64_t left = 0;
    lock_take(&root->lock);
    for (const list *node = root->children.next; node != &root->children; node = node->next) {
        scope *s = list_entry(node, scope, sibling);
        left += is_outsider(s) && is_left(s);
    }
    bool only = left != 0 && count_read(root) == left;
    lock_release(&root->lock);
    return only;
}

void leftover_name(scope *root, bool only_held) {
    char lines[NAMED][LINE];
    size_t count = 0;
    lock_take(&root->lock);
    for (const list *node = root->children.next; node != &root->children; node = node->next) {
        scope *s = list_entry(node, scope, sibling);
        if (is_outsider(s) && (!only_held || is_held(s))) {
            if (count < NAMED) {
                describe(s, lines[count]);
            }
            count++;
        }
    }
    lock_release(&root->lock);
    const options *o = &root->executor->opt;
    if (count != 0) {
        options_log(o, BELAY_LOG_WARNING,
                    "belay: %zu scopes or owners from outside are not closed or released", count);
    }
    for (size_t i = 0; i < count && i < NAMED; i++) {
        options_log(o, BELAY_LOG_WARNING, "belay:   %s", lines[i]);
    }
}

/* Under its lock. */
static void begin(scope *s) {
    if (s->kind == SCOPE_PLAIN) {
        s->closing = true;
        (void)count_close(s);
    } else {
        count_pin_open(s);
    }
}

/* Begins the end of one that is left. NULL: there is none. */
static scope *begin_one(scope *root, char line[LINE]) {
    scope *found = NULL;
    lock_take(&root->lock);
    for (const list *node = root->children.next; found == NULL && node != &root->children;
         node = node->next) {
        scope *s = list_entry(node, scope, sibling);
        lock_take(&s->lock);
        if (is_outsider(s) && !s->closing && !s->reap && !is_held(s) && count_read(s) == 0) {
            begin(s);
            describe(s, line);
            found = s;
        }
        lock_release(&s->lock);
    }
    lock_release(&root->lock);
    return found;
}

void leftover_close(scope *root, int64_t deadline) {
    char line[LINE];
    for (scope *s = begin_one(root, line); s != NULL; s = begin_one(root, line)) {
        options_log(&root->executor->opt, BELAY_LOG_WARNING,
                    "belay: %s is open and empty at the end of the shutdown: closed", line);
        if (s->kind != SCOPE_PLAIN) {
            owner_abandon(s);
            count_leave(NULL, s);
        } else if (scope_close_begun(NULL, s, deadline, NULL) == BELAY_EBUSY) {
            return;
        }
    }
}
