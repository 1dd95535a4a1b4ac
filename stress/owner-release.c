/* Owners: the last reference and the last task, in any order and from anywhere, end in one call of the drained hook.
 *
 * Each round makes an owner with tasks that sleep, spawn more, or end; some hold references of their own. Tasks, the
 * driver and a weak holder release and retain meanwhile, and some wait for the end. The object is freed in the hook.
 *
 * Would catch: a hook called twice, never, or before a task has ended; a retain that succeeds after the last release; a
 * waiter that is not woken, or is woken by another owner in the slot. */
#include "common/stress.h"

#include <belay/owner.h>

#include <stdlib.h>

enum { TASKS = 12, HOLDERS = 4 };

typedef struct object {
    belay_owner owner;
    uint64_t alive; /* tasks */
    uint64_t wanted;
    uint64_t *drained; /* the round's; the object is gone by then */
} object;

/* Sums over all drivers, for the books at the end. */
static uint64_t made, ended, gained, given;

static void on_drained(void *arg) {
    object *o = arg;
    stress_equal((int64_t)stress_get(&o->alive), 0, "tasks alive when drained");
    stress_equal((int64_t)stress_get(&o->wanted), 0, "references when drained");
    stress_equal(belay_owner_retain(o->owner), BELAY_ESTALE, "retain when drained");
    stress_set(o->drained);
    (void)stress_add(&ended, 1);
    free(o);
}

static void give_back(object *o) {
    (void)stress_add(&o->wanted, UINT64_MAX);
    (void)stress_add(&given, 1);
    stress_equal(belay_owner_release(o->owner), BELAY_OK, "release of a reference that we hold");
}

/* Runs even if it is cancelled before it starts, so that the books are right. */
static belay_status worker(belay_task *self, void *arg) {
    object *o = arg;
    belay_status status = belay_sleep_until(
        self, (uintptr_t)self / 128 % 3 == 0 ? BELAY_NEVER : belay_after(20 * BELAY_MICROSECOND));
    (void)stress_add(&o->alive, UINT64_MAX);
    return status;
}

/* Its reference keeps the owner wanted, its being alive only the memory. */
static belay_status holder(belay_task *self, void *arg) {
    object *o = arg;
    belay_status status = belay_sleep_until(
        self, (uintptr_t)self / 128 % 3 == 0 ? BELAY_NEVER : belay_after(20 * BELAY_MICROSECOND));
    give_back(o);
    (void)stress_add(&o->alive, UINT64_MAX);
    return status;
}

static belay_status weak_holder(belay_task *self, void *arg) {
    const belay_owner owner = *(const belay_owner *)arg;
    while (belay_owner_retain(owner) == BELAY_OK) {
        stress_equal(belay_owner_release(owner), BELAY_OK, "release of what was retained");
        (void)stress_add(&gained, 1);
        (void)belay_yield(self);
    }
    stress_equal(belay_owner_retain(owner), BELAY_ESTALE, "wanted again");
    return BELAY_OK;
}

static belay_status waiter(belay_task *self, void *arg) {
    return belay_owner_wait_until(self, *(const belay_owner *)arg, BELAY_NEVER);
}

static object *object_make(stress_driver *d, uint64_t *drained) {
    object *o = calloc(1, sizeof *o);
    stress_check(o != NULL, "calloc");
    belay_owner_options options = {.drained = on_drained, .arg = o};
    o->drained = drained;
    stress_equal(belay_owner_create(d->executor, &options, &o->owner), BELAY_OK, "create");
    stress_put(&o->wanted, 1);
    (void)stress_add(&made, 1);
    return o;
}

static void object_task(object *o, bool holds) {
    static const stress_how how = {.flags = BELAY_TASK_RUN_CANCELED};
    (void)stress_add(&o->alive, 1);
    if (holds) {
        stress_equal(belay_owner_retain(o->owner), BELAY_OK, "retain");
        (void)stress_add(&o->wanted, 1);
    }
    stress_equal(
        stress_spawn(NULL, belay_owner_scope(o->owner), holds ? holder : worker, o, &how, NULL),
        BELAY_OK, "spawn");
}

static void play(stress_driver *d) {
    uint64_t drained = 0;
    object *o = object_make(d, &drained);
    belay_owner owner = o->owner;
    belay_scope others;
    stress_equal(belay_scope_open_root(d->executor, NULL, &others), BELAY_OK, "open");
    for (int i = 0; i < TASKS; i++) {
        object_task(o, i < HOLDERS && stress_chance(&d->rng, 40));
    }
    stress_equal(stress_spawn(NULL, others, weak_holder, &owner, NULL, NULL), BELAY_OK, "spawn");
    stress_equal(stress_spawn(NULL, others, waiter, &owner, NULL, NULL), BELAY_OK, "spawn");
    stress_burn(stress_below(&d->rng, 30000));
    give_back(o); /* from here on the object may be gone */
    /* Those who sleep on with a reference would keep it. */
    belay_status status = belay_scope_cancel(belay_owner_scope(owner), BELAY_ECANCELED, "stress");
    stress_check(status == BELAY_OK || status == BELAY_EALREADY || status == BELAY_ESTALE,
                 "cancel");
    stress_equal(belay_owner_wait_until(NULL, owner, BELAY_NEVER), BELAY_OK, "wait");
    stress_check(stress_is_set(&drained), "gone, and not drained");
    stress_equal(belay_scope_close(NULL, others), BELAY_OK, "close");
}

static void audit(void) {
    stress_equal((int64_t)ended, (int64_t)made, "drained hooks");
}

int main(int argc, char **argv) {
    static const stress_plan plan = {.name = "owner-release", .drivers = 3, .round = play};
    int code = stress_main(argc, argv, &plan);
    audit();
    return code;
}
