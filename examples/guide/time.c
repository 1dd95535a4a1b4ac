/* Deadlines, and how many run at once. */
#include "guide.h"

static belay_status slow(belay_task *self, void *arg) {
    (void)arg;
    return belay_sleep_until(self, belay_after(30 * BELAY_SECOND));
}

/* guide: 200 ms */
static belay_status within(belay_task *self, int64_t nanoseconds, belay_body *body, void *arg) {
    belay_scope scope;
    belay_scope_options options = {.deadline = belay_after(nanoseconds)};
    belay_status status = belay_scope_open(self, &options, &scope);
    if (status != BELAY_OK) {
        return status;
    }
    status = body(self, arg); /* a plain call: we are in the scope, too */
    belay_status closed = belay_scope_close(self, scope);
    return closed != BELAY_OK ? closed : status;
}
/* end */

static belay_status quick(belay_task *self, void *arg) {
    (void)arg;
    return belay_yield(self);
}

static belay_status fails(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    return 7;
}

static void check_200_ms(belay_task *self) {
    belay_time begin = belay_now();
    CHECK_STATUS(within(self, 200 * BELAY_MILLISECOND, slow, NULL), BELAY_ETIMEDOUT);
    CHECK(belay_now() - begin >= 200 * BELAY_MILLISECOND);
    CHECK(belay_now() - begin < 20 * BELAY_SECOND);
    CHECK_STATUS(within(self, 30 * BELAY_SECOND, quick, NULL), BELAY_OK);
    CHECK_STATUS(within(self, 30 * BELAY_SECOND, fails, NULL), 7);
    CHECK_STATUS(belay_checkpoint(self), BELAY_OK);
}

typedef struct download {
    int chunks; /* that come; then nothing comes any more */
    bool stalls;
    int64_t patience;
    int got;
} download;

static belay_status read_chunk(belay_task *self, download *d) {
    if (d->got == d->chunks) {
        return d->stalls ? slow(self, NULL) : BELAY_ENOENT;
    }
    d->got++;
    return belay_sleep_until(self, belay_after(2 * BELAY_MILLISECOND));
}

/* guide: progress */
static belay_status fetch_while_it_moves(belay_task *self, download *d) {
    belay_scope scope;
    belay_scope_options options = {.deadline = belay_after(d->patience)};
    belay_status status = belay_scope_open(self, &options, &scope);
    while (status == BELAY_OK) {
        status = read_chunk(self, d);
        (void)belay_scope_set_deadline(scope, belay_after(d->patience));
    }
    belay_status closed = belay_scope_close(self, scope);
    return closed != BELAY_OK || status == BELAY_ENOENT ? closed : status;
}
/* end */

static void check_progress(belay_task *self) {
    download steady = {.chunks = 100, .patience = 10 * BELAY_SECOND};
    CHECK_STATUS(fetch_while_it_moves(self, &steady), BELAY_OK);
    CHECK(steady.got == 100);
    download stalls = {.chunks = 10, .stalls = true, .patience = 150 * BELAY_MILLISECOND};
    belay_time begin = belay_now();
    CHECK_STATUS(fetch_while_it_moves(self, &stalls), BELAY_ETIMEDOUT);
    CHECK(belay_now() - begin >=
          150 * BELAY_MILLISECOND + (stalls.got - 1) * 2 * BELAY_MILLISECOND);
}

typedef struct gauge {
    int inside, most, all;
} gauge;

static belay_status resize(belay_task *self, void *arg) {
    gauge *g = arg;
    int inside = guide_add(&g->inside, 1);
    if (inside > guide_read(&g->most)) {
        __atomic_store_n(&g->most, inside, __ATOMIC_RELEASE);
    }
    belay_status status = belay_sleep_until(self, belay_after(BELAY_MILLISECOND));
    (void)guide_add(&g->inside, -1);
    (void)guide_add(&g->all, 1);
    return status;
}

/* guide: at most four */
static belay_status resize_all(belay_task *self, gauge *images, int n) {
    belay_scope scope;
    belay_scope_options options = {.name = "resize", .cap = 4};
    belay_status status = belay_scope_open(self, &options, &scope);
    if (status != BELAY_OK) {
        return status;
    }
    for (int i = 0; i < n && status == BELAY_OK; i++) {
        status = belay_spawn(self, scope, resize, images, NULL, NULL); /* waits for room */
    }
    belay_status closed = belay_scope_close(self, scope);
    return closed != BELAY_OK ? closed : status;
}
/* end */

static void check_at_most_four(belay_task *self) {
    gauge images = {0};
    CHECK_STATUS(resize_all(self, &images, 40), BELAY_OK);
    CHECK(guide_read(&images.all) == 40);
    CHECK(guide_read(&images.most) <= 4);
}

belay_status guide_time(belay_task *self, void *arg) {
    (void)arg;
    check_200_ms(self);
    check_progress(self);
    check_at_most_four(self);
    return BELAY_OK;
}
