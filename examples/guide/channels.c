/* Talking, and waiting for the first of several things. */
#include "guide.h"

#include <stdlib.h>

static int jobs_done, jobs_dropped;

/* guide: channel */
static belay_status produce(belay_task *self, void *arg) {
    belay_channel *jobs = arg;
    belay_status status = BELAY_OK;
    for (int i = 0; i < 100 && status == BELAY_OK; i++) {
        int *job = malloc(sizeof *job);
        status = job != NULL ? (*job = i, belay_channel_send(self, jobs, &job)) : BELAY_ENOMEM;
        if (status != BELAY_OK) {
            free(job); /* not accepted: it is still ours */
        }
    }
    (void)belay_channel_close(jobs, BELAY_CLOSE_DRAIN); /* the consumers take what is left */
    return status;
}

static belay_status consume(belay_task *self, void *arg) {
    belay_channel *jobs = arg;
    int *job;
    belay_status status;
    while ((status = belay_channel_recv(self, jobs, &job)) == BELAY_OK) {
        (void)guide_add(&jobs_done, 1);
        free(job);
    }
    return status == BELAY_EPIPE ? BELAY_OK : status; /* closed and empty: the end */
}
/* end */

static void drop_job(void *item, void *arg) {
    free(*(int **)item);
    (void)guide_add(arg, 1);
}

static const belay_channel_options job_queue = {.name = "jobs",
                                                .capacity = 8,
                                                .element = sizeof(int *),
                                                .drop = drop_job,
                                                .drop_arg = &jobs_dropped};

static void check_channel(belay_task *self) {
    belay_channel *jobs;
    belay_scope scope;
    CHECK_STATUS(belay_channel_create(&job_queue, &jobs), BELAY_OK);
    CHECK_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    CHECK_STATUS(belay_spawn(self, scope, consume, jobs, NULL, NULL), BELAY_OK);
    CHECK_STATUS(belay_spawn(self, scope, consume, jobs, NULL, NULL), BELAY_OK);
    CHECK_STATUS(belay_spawn(self, scope, produce, jobs, NULL, NULL), BELAY_OK);
    CHECK_STATUS(belay_scope_close(self, scope), BELAY_OK);
    CHECK_STATUS(belay_channel_destroy(jobs), BELAY_OK);
    CHECK(guide_read(&jobs_done) == 100 && guide_read(&jobs_dropped) == 0);
}

/* guide: lease */
static belay_status consume_for_sure(belay_task *self, void *arg) {
    belay_channel *jobs = arg; /* created with .flags = BELAY_CHANNEL_ACKNOWLEDGED */
    belay_status status = belay_channel_consumer_add(self, jobs);
    while (status == BELAY_OK) {
        int *job;
        belay_lease lease;
        status = belay_channel_lease(self, jobs, &job, &lease);
        if (status == BELAY_OK) {
            status = belay_sleep_until(self, belay_after(*job)); /* work that may be cancelled */
        }
        if (status == BELAY_OK) {
            status = belay_lease_done(lease);
            (void)guide_add(&jobs_done, 1);
            free(job);
        }
    }
    /* What is not done goes to another consumer. */
    return status == BELAY_EPIPE ? BELAY_OK : status;
}
/* end */

static void await_consumers(belay_task *self, belay_channel *jobs, uint64_t n) {
    belay_channel_info info = {0};
    while (belay_channel_read(jobs, &info, sizeof info) == BELAY_OK && info.consumers < n &&
           belay_sleep_until(self, belay_after(BELAY_MILLISECOND / 5)) == BELAY_OK) {
    }
}

/* We hold one item for as long as the others work, so the channel is not at its end before; and there is always a
 * consumer, us or another, so the producer goes on. */
static void check_lease(belay_task *self) {
    belay_channel_options options = job_queue;
    options.flags = BELAY_CHANNEL_ACKNOWLEDGED;
    belay_channel *jobs;
    belay_scope scope, first;
    belay_lease lease;
    int *job;
    __atomic_store_n(&jobs_done, 0, __ATOMIC_RELEASE);
    CHECK_STATUS(belay_channel_create(&options, &jobs), BELAY_OK);
    CHECK_STATUS(belay_channel_consumer_add(self, jobs), BELAY_OK);
    CHECK_STATUS(belay_scope_open(self, NULL, &scope), BELAY_OK);
    CHECK_STATUS(belay_spawn(self, scope, produce, jobs, NULL, NULL), BELAY_OK);
    CHECK_STATUS(belay_channel_lease(self, jobs, &job, &lease), BELAY_OK);
    CHECK_STATUS(belay_scope_open(self, NULL, &first), BELAY_OK);
    CHECK_STATUS(belay_spawn(self, first, consume_for_sure, jobs, NULL, NULL), BELAY_OK);
    CHECK(guide_await(self, &jobs_done, 10));
    (void)belay_scope_cancel(first, BELAY_OK, "one consumer goes");
    CHECK_STATUS(belay_scope_close(self, first), BELAY_OK);
    CHECK_STATUS(belay_spawn(self, scope, consume_for_sure, jobs, NULL, NULL), BELAY_OK);
    await_consumers(self, jobs, 2);
    CHECK_STATUS(belay_channel_consumer_remove(self, jobs), BELAY_OK); /* ours comes back */
    CHECK_STATUS(belay_scope_close(self, scope), BELAY_OK);
    CHECK_STATUS(belay_channel_destroy(jobs), BELAY_OK);
    CHECK(guide_read(&jobs_done) == 100 && guide_read(&jobs_dropped) == 0);
}

/* guide: select */
static belay_status next_event(belay_task *self, belay_channel *jobs, belay_token stop, int *job,
                               int64_t patience) {
    belay_clause clauses[] = {
        belay_on_token(stop, BELAY_SOFT_CANCELED),
        belay_on_recv(jobs, job),
        belay_on_time(belay_after(patience)),
    };
    size_t which;
    belay_status status = belay_select(self, clauses, 3, 0, &which);
    if (status != BELAY_OK) {
        return status; /* we are cancelled: no clause had an effect */
    }
    switch (which) {
    case 0:
        return BELAY_ESHUTDOWN;
    case 1:
        return clauses[1].status; /* as belay_channel_recv would have said */
    default:
        return BELAY_ETIMEDOUT;
    }
}
/* end */

static void check_select(belay_task *self) {
    belay_channel_options options = {.name = "numbers", .capacity = 1, .element = sizeof(int)};
    belay_channel *jobs;
    belay_source source;
    int job = 7, got = 0;
    CHECK_STATUS(belay_channel_create(&options, &jobs), BELAY_OK);
    CHECK_STATUS(belay_source_create(belay_task_executor(self), NULL, 0, &source), BELAY_OK);
    belay_token stop = belay_source_token(source);
    CHECK_STATUS(next_event(self, jobs, stop, &got, 0), BELAY_ETIMEDOUT);
    CHECK_STATUS(belay_channel_send(self, jobs, &job), BELAY_OK);
    CHECK_STATUS(next_event(self, jobs, stop, &got, 0), BELAY_OK);
    CHECK(got == 7);
    CHECK_STATUS(belay_channel_send(self, jobs, &job), BELAY_OK);
    (void)belay_source_cancel(source, BELAY_SOFT_CANCELED, BELAY_OK, "night");
    CHECK_STATUS(next_event(self, jobs, stop, &got, BELAY_SECOND), BELAY_ESHUTDOWN);
    CHECK(belay_channel_length(jobs) == 1); /* the loser took nothing */
    CHECK_STATUS(belay_source_release(source), BELAY_OK);
    CHECK_STATUS(belay_channel_destroy(jobs), BELAY_OK);
}

belay_status guide_channels(belay_task *self, void *arg) {
    (void)arg;
    check_channel(self);
    check_lease(self);
    check_select(self);
    return BELAY_OK;
}
