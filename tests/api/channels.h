/* What the tests of channels share: channels of ints, a drop hook that remembers, and threads. */
#ifndef BELAY_TESTS_API_CHANNELS_H
#define BELAY_TESTS_API_CHANNELS_H

#include "support.h"

/* What was dropped. */
static struct {
    tally count;
    int64_t sum;
} dropped;

static inline void drop_int(void *item, void *arg) {
    (void)__atomic_add_fetch(&dropped.sum, *(int *)item, __ATOMIC_RELAXED);
    (void)tally_add(&dropped.count);
    if (arg != NULL) {
        (void)tally_add(arg);
    }
}

static inline belay_channel *make_with(belay_channel_options o) {
    belay_channel *ch = NULL;
    tally_set(&dropped.count, 0);
    dropped.sum = 0;
    o.element = sizeof(int);
    o.drop = drop_int;
    assert_int_equal(belay_channel_create(&o, &ch), BELAY_OK);
    assert_non_null(ch);
    return ch;
}

static inline belay_channel *make(size_t capacity) {
    return make_with((belay_channel_options){.capacity = capacity});
}

/* Somebody whose wait has ended may need a moment to be out. */
static inline void destroy(belay_channel *ch) {
    belay_status status = belay_channel_destroy(ch);
    while (status == BELAY_EBUSY) {
        sched_yield();
        status = belay_channel_destroy(ch);
    }
    assert_int_equal(status, BELAY_OK);
}

static inline belay_channel_info look(belay_channel *ch) {
    belay_channel_info info;
    EXPECT_STATUS(belay_channel_read(ch, &info, sizeof info), BELAY_OK);
    return info;
}
static inline void await_senders(belay_channel *ch, uint64_t n) {
    while (look(ch).senders < n) {
        sched_yield();
    }
}
static inline void await_receivers(belay_channel *ch, uint64_t n) {
    while (look(ch).receivers < n) {
        sched_yield();
    }
}

static inline belay_status send_int(belay_task *self, belay_channel *ch, int value) {
    return belay_channel_send(self, ch, &value);
}
static inline belay_status try_send_int(belay_channel *ch, int value) {
    return belay_channel_try_send(ch, &value);
}
/* Must succeed. */
static inline int recv_int(belay_task *self, belay_channel *ch) {
    int value = -1;
    EXPECT_STATUS(belay_channel_recv(self, ch, &value), BELAY_OK);
    return value;
}
static inline int try_recv_int(belay_channel *ch) {
    int value = -1;
    EXPECT_STATUS(belay_channel_try_recv(ch, &value), BELAY_OK);
    return value;
}

/* One send or receive by a task, and how it went. */
typedef struct act {
    belay_channel *ch;
    int value;
    belay_time deadline; /* 0: none */
    belay_status status;
    tally done;
} act;

static inline belay_status body_send(belay_task *self, void *arg) {
    act *a = arg;
    a->status = a->deadline != 0 ? belay_channel_send_until(self, a->ch, &a->value, a->deadline)
                                 : belay_channel_send(self, a->ch, &a->value);
    (void)tally_add(&a->done);
    return BELAY_OK;
}
static inline belay_status body_recv(belay_task *self, void *arg) {
    act *a = arg;
    a->status = a->deadline != 0 ? belay_channel_recv_until(self, a->ch, &a->value, a->deadline)
                                 : belay_channel_recv(self, a->ch, &a->value);
    (void)tally_add(&a->done);
    return BELAY_OK;
}
static inline void *thread_send(void *arg) {
    (void)body_send(NULL, arg);
    return NULL;
}
static inline void *thread_recv(void *arg) {
    (void)body_recv(NULL, arg);
    return NULL;
}
static inline pthread_t thread_start(void *(*body)(void *), void *arg) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, body, arg), 0);
    return thread;
}

#endif
