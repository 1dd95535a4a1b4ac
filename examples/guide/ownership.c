/* An object whose background work dies with its last user. */
#include "guide.h"

#include <stdlib.h>

static int refreshes, farewells, caches_freed;

/* guide: owner */
typedef struct cache {
    belay_owner owner;
    /* ... */
} cache;

static belay_status refresh(belay_task *self, void *arg) {
    belay_status status = BELAY_OK;
    while (status == BELAY_OK) { /* works on the cache `arg`, and holds no reference to it */
        (void)arg;
        (void)guide_add(&refreshes, 1);
        status = belay_sleep_until(self, belay_after(BELAY_MILLISECOND));
    }
    return status;
}

static void cache_free(void *arg) { /* the last user and the last task are gone */
    (void)guide_add(&caches_freed, 1);
    free(arg);
}

static cache *cache_new(belay_executor *executor) {
    cache *c = calloc(1, sizeof *c);
    belay_owner_options options = {.scope = {.name = "cache"}, .drained = cache_free, .arg = c};
    if (c == NULL || belay_owner_create(executor, &options, &c->owner) != BELAY_OK) {
        free(c);
        return NULL;
    }
    belay_owner owner = c->owner;
    if (belay_spawn(NULL, belay_owner_scope(owner), refresh, c, NULL, NULL) != BELAY_OK) {
        (void)belay_owner_release(owner); /* frees it */
        return NULL;
    }
    return c;
}
/* end */

static void let_go(void *arg) {
    (void)guide_add(&farewells, 1);
    (void)belay_owner_release(((cache *)arg)->owner);
}

static belay_status use(belay_task *self, void *arg) {
    (void)arg;
    int seen = guide_read(&refreshes);
    return guide_await(self, &refreshes, seen + 2) ? BELAY_OK : BELAY_ECANCELED;
}

static void check_owner(belay_task *self) {
    cache *c = cache_new(belay_task_executor(self));
    if (!CHECK(c != NULL)) {
        return;
    }
    belay_owner owner = c->owner;
    belay_task_options options = {.name = "user", .arg_drop = let_go};
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(belay_owner_retain(owner), BELAY_OK);
        CHECK_STATUS(belay_spawn(self, belay_scope_current(self), use, c, &options, NULL),
                     BELAY_OK);
    }
    CHECK_STATUS(belay_owner_release(owner), BELAY_OK); /* the users go on */
    CHECK_STATUS(belay_owner_wait_until(self, owner, BELAY_NEVER), BELAY_OK);
    CHECK(guide_read(&caches_freed) == 1 && guide_read(&farewells) == 2);
    CHECK_STATUS(belay_owner_retain(owner), BELAY_ESTALE);
}

belay_status guide_ownership(belay_task *self, void *arg) {
    (void)arg;
    check_owner(self);
    return BELAY_OK;
}
