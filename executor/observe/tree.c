/* The live tree as text: scopes, and in each the tasks that are alive in it. Reads, never steers.
 *
 * Both are listed first, without a lock that tasks need: scopes one by one, each pinned while it is read; tasks from
 * their records. So the tree is not of one instant: what begins or ends meanwhile may be missing, and a task whose
 * scope is missing is left out. The lines are made afterwards, and the program's hook is called under no lock. */
#include <stdio.h>
#include <stdlib.h>

#include <belay/observe.h>

#include "owner/scope.h"

enum { LINE = 320, INDENT_MAX = 32, SLACK = 64 };

typedef struct branch {
    uint32_t number;
    uint32_t parent; /* 0: the root */
    const char *name;
    const char *site;
    uint32_t cancel;
    uint64_t count;
} branch;

typedef struct tree {
    const belay_executor *ex;
    branch *branches; /* sorted by parent */
    size_t branch_count;
    size_t branch_room;
    belay_task_info *tasks; /* sorted by scope */
    size_t task_count;
    size_t task_room;
    belay_line_hook *line;
    void *arg;
} tree;

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Pins the scope in whatever life it is. False: it is not open. */
static bool read_branch(scope *s, branch *out) {
    if (!count_is_open(s) || !count_pin(s, count_generation(s))) {
        return false;
    }
    const scope *parent = load_relaxed(&s->parent); /* relaxed: constant while open */
    *out = (branch){.number = s->number,
                    .parent = parent != NULL ? parent->number : 0,
                    .name = s->name,
                    .site = s->site,
                    .cancel = load_relaxed(&s->cancel), /* relaxed: a snapshot */
                    .count = count_read(s) - 1};
    count_leave(NULL, s);
    return true;
}

static void read_branches(tree *t) {
    const slab *scopes = &t->ex->scopes;
    for (uint32_t i = 1; i <= slab_made(scopes) && t->branch_count < t->branch_room; i++) {
        t->branch_count += read_branch(slab_at(scopes, i), &t->branches[t->branch_count]);
    }
}

static int by_parent(const void *a, const void *b) {
    const branch *x = a, *y = b;
    return x->parent != y->parent  ? (x->parent < y->parent ? -1 : 1)
           : x->number < y->number ? -1
                                   : 1;
}

static int by_scope(const void *a, const void *b) {
    const belay_task_info *x = a, *y = b;
    return x->scope.slot != y->scope.slot ? (x->scope.slot < y->scope.slot ? -1 : 1)
           : x->age != y->age             ? (x->age > y->age ? -1 : 1)
                                          : 0;
}

static void release(tree *t) {
    const allocator *alloc = &t->ex->opt.alloc;
    mem_release(alloc, t->branches, t->branch_room * sizeof *t->branches, 16);
    mem_release(alloc, t->tasks, t->task_room * sizeof *t->tasks, 16);
}

/* What comes to be while we read may not fit; there is some slack. */
static belay_status read_tree(tree *t) {
    const allocator *alloc = &t->ex->opt.alloc;
    (void)belay_snapshot(t->ex, NULL, 0, &t->task_count);
    t->task_room = t->task_count + SLACK;
    t->branch_room = slab_made(&t->ex->scopes) + SLACK;
    t->branches = mem_allocate(alloc, t->branch_room * sizeof *t->branches, 16);
    t->tasks = mem_allocate(alloc, t->task_room * sizeof *t->tasks, 16);
    if (t->branches == NULL || t->tasks == NULL) {
        return BELAY_ENOMEM;
    }
    read_branches(t);
    (void)belay_snapshot(t->ex, t->tasks, t->task_room, &t->task_count);
    t->task_count = t->task_count < t->task_room ? t->task_count : t->task_room;
    qsort(t->branches, t->branch_count, sizeof *t->branches, by_parent);
    qsort(t->tasks, t->task_count, sizeof *t->tasks, by_scope);
    return BELAY_OK;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void put(const tree *t, const char *text) {
    callback_enter();
    t->line(text, t->arg);
    callback_leave();
}

static int indent(uint32_t depth) {
    return 2 * (int)(depth < INDENT_MAX ? depth : INDENT_MAX);
}

static void put_tasks(const tree *t, uint32_t number, uint32_t depth) {
    size_t low = 0;
    for (size_t high = t->task_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (t->tasks[middle].scope.slot < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < t->task_count && t->tasks[low].scope.slot == number; low++) {
        char line[LINE];
        int n = snprintf(line, sizeof line, "%*stask ", indent(depth), "");
        (void)belay_task_info_text(&t->tasks[low], line + n, sizeof line - (size_t)n);
        put(t, line);
    }
}

static void put_branch(const tree *t, const branch *b, uint32_t depth) {
    char line[LINE];
    const char *canceled = (b->cancel & SCOPE_HARD) != 0   ? ", cancelled"
                           : (b->cancel & SCOPE_SOFT) != 0 ? ", asked to end"
                                                           : "";
    snprintf(line, sizeof line, "%*sscope %s (%s)%s, %llu inside", indent(depth), "",
             b->name != NULL ? b->name : "-", b->site != NULL ? b->site : "-", canceled,
             (unsigned long long)b->count);
    put(t, line);
    put_tasks(t, b->number, depth + 1);
}

/* The first scope whose parent has this number, or a larger one. */
static size_t first_below(const tree *t, uint32_t parent) {
    size_t low = 0;
    for (size_t high = t->branch_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (t->branches[middle].parent < parent) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Depth first. As deep as scopes are nested, which each takes a task. */
static void put_below(const tree *t, uint32_t parent, uint32_t depth) {
    if (depth > 4 * INDENT_MAX) {
        put(t, "(and deeper)");
        return;
    }
    for (size_t i = first_below(t, parent); i < t->branch_count && t->branches[i].parent == parent;
         i++) {
        put_branch(t, &t->branches[i], depth);
        put_below(t, t->branches[i].number, depth + 1);
    }
}

belay_status belay_tree(const belay_executor *executor, belay_line_hook *line, void *arg) {
    belay_executor *ex = (belay_executor *)(uintptr_t)executor;
    if (ex == NULL || line == NULL) {
        return BELAY_EINVAL;
    }
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    if (worker_in(ex) == NULL && !guest_enter(ex)) {
        return BELAY_ESTALE;
    }
    tree t = {.ex = ex, .line = line, .arg = arg};
    belay_status status = read_tree(&t);
    if (status == BELAY_OK) {
        put_below(&t, 0, 0);
    }
    release(&t);
    registry_done(ex);
    return status;
}
