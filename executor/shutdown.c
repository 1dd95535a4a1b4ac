/* Shutdown: the drain of the root scope, in phases: seal, wait for the grace to pass, cancel, wait for the deadline.
 *
 * The root counts its tasks and the scopes that were opened in it from outside. One of those that nobody ever closes
 * would keep the root for ever, and there would be no task to name. So while it waits, shutdown looks now and then;
 * when at two looks in a row nothing held the root but such scopes, all of them empty, it closes them in their openers'
 * place and says so in the log. Within the grace it only says so: its openers may still use them. Owners, and scopes
 * with deferred calls, it never ends: they are named, and waited for until they are released or closed. */
#include <belay/observe.h>

#include "owner/scope.h"
#include "base/mutant.h"

#define LOOK_EVERY (250 * BELAY_MILLISECOND)

static void name_stragglers(belay_executor *ex) {
    belay_task_info infos[8];
    size_t count = 0;
    (void)belay_snapshot(ex, infos, 8, &count);
    options_log(&ex->opt, BELAY_LOG_WARNING, "belay: %zu tasks are left at the end of the shutdown",
                count);
    for (size_t i = 0; i < count && i < 8; i++) {
        char line[256];
        (void)belay_task_info_text(&infos[i], line, sizeof line);
        options_log(&ex->opt, BELAY_LOG_WARNING, "belay:   %s", line);
    }
}

/* Waits until the root is empty. False: the deadline has passed. */
static bool wait_for_root(belay_executor *ex, belay_time deadline, bool may_close) {
    belay_scope h = scope_handle(ex, ex->root);
    bool before = false;
    bool told = false;
    for (;;) {
        belay_time look = belay_after(LOOK_EVERY);
        bool last = deadline <= look;
        belay_status status = belay_scope_wait_until(NULL, h, last ? deadline : look);
        if (status == BELAY_OK ||
            status == BELAY_ESTALE) { /* stale: another has gone on to destroy it */
            return true;
        }
        if (last) {
            return false;
        }
        bool now = leftover_only(ex->root);
        if (now && before && may_close) {
            leftover_close(ex->root, deadline);
        }
        if (now && before && !told) {
            leftover_name(ex->root, may_close);
            told = true;
        }
        before = now;
    }
}

/* The time for cleanup is over. */
static void break_shields(belay_executor *ex) {
    for (uint32_t i = 1; i <= slab_made(&ex->scopes); i++) {
        scope *s = slab_at(&ex->scopes, i);
        uint32_t generation = count_generation(s);
        if (generation != 0 && count_pin(s, generation)) { /* 0: it never was a scope */
            shield_break(s);
            count_leave(NULL, s);
        }
    }
}

/* The root is sealed and empty, and stays so. */
static bool end_services(scope *root, belay_time deadline) {
    lock_take(&root->lock);
    wait_word result = services_end(NULL, root, deadline);
    lock_release(&root->lock);
    return result == WAIT_OK;
}

static belay_status drain_root(belay_executor *ex, belay_time grace, belay_time deadline) {
    scope *root = ex->root;
    lock_take(&root->lock);
    if (!MUTANT(shutdown_no_seal)) {
        (void)count_seal(root);
    }
    lock_release(&root->lock);
    belay_cancel_reason reason = {
        .code = BELAY_ECANCELED, .text = "shutdown", .origin = scope_handle(ex, root)};
    if (grace > port_clock_now()) {
        (void)scope_soft_cancel_tree(root, &reason);
    }
    bool over = wait_for_root(ex, grace, false) && end_services(root, deadline);
    /* Also when it is empty: there may be threads that wait for its token. */
    (void)scope_cancel_tree(root, &reason);
    if (over || (wait_for_root(ex, deadline, true) && end_services(root, deadline))) {
        return BELAY_OK;
    }
    break_shields(ex);
    name_stragglers(ex);
    leftover_name(root, false);
    return BELAY_EBUSY;
}

belay_status belay_executor_shutdown(belay_executor *ex, belay_time grace, belay_time deadline) {
    if (ex == NULL) {
        return BELAY_EINVAL;
    }
    belay_status status = check_waiter(NULL);
    if (status != BELAY_OK) {
        return status;
    }
    if (!guest_enter(ex)) {
        return BELAY_ESTALE;
    }
    status = drain_root(ex, grace, deadline);
    guest_leave(ex);
    return status;
}
