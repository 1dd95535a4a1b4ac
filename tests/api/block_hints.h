/* Tasks that block in the system inside hints, for the tests of hints. */
#ifndef BELAY_TESTS_API_BLOCK_HINTS_H
#define BELAY_TESTS_API_BLOCK_HINTS_H

#include "api/support.h"

#include <unistd.h>

enum { MOST = 16 };

static inline belay_stats stats_of(belay_executor *ex) {
    belay_stats s;
    assert_int_equal(belay_executor_stats(ex, &s, sizeof s), BELAY_OK);
    return s;
}

static inline belay_executor *with_spares(void **state, int64_t spares) {
    belay_config config = test_config(workers_of(state));
    config.spare_workers = spares;
    return executor_make(&config);
}

/* ---- blocking in the system -------------------------------------------------------------------------------------- */

/* A pipe that some task reads from and another feeds; and what went on. */
typedef struct pipe_case {
    int ends[2];
    tally inside, read;
} pipe_case;

static inline pipe_case pipe_make(void) {
    pipe_case c = {0};
    assert_int_equal(pipe(c.ends), 0);
    return c;
}

static inline void pipe_free(pipe_case *c) {
    close(c->ends[0]);
    close(c->ends[1]);
}

static inline void read_one(pipe_case *c) {
    char byte;
    (void)tally_add(&c->inside);
    while (read(c->ends[0], &byte, 1) < 0 && errno == EINTR) {
    }
    (void)tally_add(&c->read);
}

static inline void feed(pipe_case *c, size_t n) {
    for (size_t i = 0; i < n; i++) {
        while (write(c->ends[1], "x", 1) < 0 && errno == EINTR) {
        }
    }
}

/* Blocks its worker until somebody writes. */
static inline belay_status reader(belay_task *self, void *arg) {
    pipe_case *c = arg;
    EXPECT_STATUS(belay_block_begin(self), BELAY_OK);
    read_one(c);
    EXPECT_STATUS(belay_block_end(self), BELAY_OK);
    return BELAY_OK;
}

static inline belay_status feeder(belay_task *self, void *arg) {
    (void)self;
    feed(arg, 1);
    return BELAY_OK;
}

/* As many readers as there are workers, all inside. */
static inline void block_all(void **state, belay_executor *ex, pipe_case *c,
                             belay_task_handle readers[MOST]) {
    for (uint32_t i = 0; i < workers_of(state); i++) {
        readers[i] = spawn_outside(ex, reader, c);
    }
    tally_await(&c->inside, workers_of(state));
}

static inline void join_readers(void **state, belay_task_handle readers[MOST]) {
    for (uint32_t i = 0; i < workers_of(state); i++) {
        assert_int_equal(join_outside(readers[i]).status, BELAY_OK);
    }
}

/* Holds its worker until all of them are here: only threads of their own get them past. */
typedef struct meeting {
    tally here;
    uint32_t wanted;
} meeting;

static inline belay_status meet(belay_task *self, void *arg) {
    (void)self;
    meeting *m = arg;
    (void)tally_add(&m->here);
    tally_await(&m->here, m->wanted);
    return BELAY_OK;
}

static inline void run_meeting(belay_executor *ex, uint32_t wanted) {
    meeting m = {.wanted = wanted};
    belay_task_handle tasks[MOST];
    for (uint32_t i = 0; i < wanted; i++) {
        tasks[i] = spawn_outside(ex, meet, &m);
    }
    for (uint32_t i = 0; i < wanted; i++) {
        (void)join_outside(tasks[i]);
    }
}

static inline belay_status where_am_i(belay_task *self, void *arg) {
    (void)self;
    int32_t *index = arg;
    *index = belay_worker_index();
    return BELAY_OK;
}

#endif
