/* Channels: order, hand-over, bounds, policies, closing. Cancelling: channel_cancel_test.c. */
#include "channels.h"

/* ---- creating ------------------------------------------------------------------------------------------------------ */

static void test_bad_options_are_refused(void **state) {
    (void)state;
    belay_channel *ch = NULL;
    belay_channel_options o = {.element = BELAY_ITEM_MAX + 1};
    assert_int_equal(belay_channel_create(&o, &ch), BELAY_EINVAL);
    o = (belay_channel_options){.capacity = (size_t)INT32_MAX + 1};
    assert_int_equal(belay_channel_create(&o, &ch), BELAY_EINVAL);
    o = (belay_channel_options){.overflow = (belay_overflow)9};
    assert_int_equal(belay_channel_create(&o, &ch), BELAY_EINVAL);
    o = (belay_channel_options){.flags = 64};
    assert_int_equal(belay_channel_create(&o, &ch), BELAY_EINVAL);
    o = (belay_channel_options){.flags = BELAY_CHANNEL_ACKNOWLEDGED};
    assert_int_equal(belay_channel_create(&o, &ch), BELAY_EINVAL);
    o = (belay_channel_options){0};
    assert_int_equal(belay_channel_create(&o, NULL), BELAY_EINVAL);
    assert_int_equal(belay_channel_create(NULL, &ch), BELAY_EINVAL);
    assert_null(ch);
    assert_int_equal(belay_channel_destroy(NULL), BELAY_OK);
}

typedef struct counted_memory {
    tally taken, given;
    int refuse;
} counted_memory;

static void *counted_allocate(size_t size, size_t alignment, void *arg) {
    counted_memory *m = arg;
    if (__atomic_load_n(&m->refuse, __ATOMIC_RELAXED) != 0) {
        return NULL;
    }
    (void)tally_add(&m->taken);
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
static void counted_release(void *memory, size_t size, size_t alignment, void *arg) {
    (void)size;
    (void)alignment;
    (void)tally_add(&((counted_memory *)arg)->given);
    free(memory);
}

static void test_memory_comes_from_the_executors_hook(void **state) {
    counted_memory m = {{0}, {0}, 0};
    belay_config config = test_config(workers_of(state));
    config.allocate = counted_allocate;
    config.release = counted_release;
    config.allocator_arg = &m;
    belay_executor *ex = executor_make(&config);
    uint64_t before = tally_read(&m.taken);
    belay_channel *ch = make_with((belay_channel_options){.capacity = 3, .executor = ex});
    assert_int_equal(tally_read(&m.taken), before + 1);
    assert_int_equal(try_send_int(ch, 5), BELAY_OK);
    destroy(ch);
    assert_int_equal(tally_read(&m.given), 1);
    __atomic_store_n(&m.refuse, 1, __ATOMIC_RELAXED);
    belay_channel_options o = {.capacity = 3, .executor = ex};
    assert_int_equal(belay_channel_create(&o, &ch), BELAY_ENOMEM);
    assert_null(ch);
    __atomic_store_n(&m.refuse, 0, __ATOMIC_RELAXED);
    assert_true(executor_end(ex));
}

static void test_destroy_drops_what_is_left(void **state) {
    (void)state;
    belay_channel *ch = make(4);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(try_send_int(ch, i), BELAY_OK);
    }
    assert_int_equal(try_recv_int(ch), 1);
    destroy(ch);
    assert_int_equal(tally_read(&dropped.count), 2);
    assert_int_equal(dropped.sum, 5);
}

static void test_destroy_is_refused_while_somebody_waits(void **state) {
    act a = {.ch = make(0), .value = 0};
    belay_task_handle task = spawn_outside(executor_of(state), body_recv, &a);
    await_receivers(a.ch, 1);
    assert_int_equal(belay_channel_destroy(a.ch), BELAY_EBUSY);
    assert_int_equal(send_int(NULL, a.ch, 8), BELAY_OK);
    (void)join_outside(task);
    assert_int_equal(a.value, 8);
    destroy(a.ch);
}

static void test_mistakes_in_the_call(void **state) {
    (void)state;
    int value = 3;
    belay_lease lease;
    belay_channel *ch = make(1);
    assert_int_equal(belay_channel_send(NULL, NULL, &value), BELAY_EINVAL);
    assert_int_equal(belay_channel_send(NULL, ch, NULL), BELAY_EINVAL);
    assert_int_equal(belay_channel_try_send(ch, NULL), BELAY_EINVAL);
    assert_int_equal(belay_channel_recv(NULL, NULL, &value), BELAY_EINVAL);
    assert_int_equal(belay_channel_recv(NULL, ch, NULL), BELAY_EINVAL);
    assert_int_equal(belay_channel_try_recv(ch, NULL), BELAY_EINVAL);
    assert_int_equal(belay_channel_lease(NULL, ch, &value, &lease), BELAY_EINVAL);
    assert_int_equal(belay_channel_lease(NULL, ch, &value, NULL), BELAY_EINVAL);
    assert_int_equal(belay_channel_try_lease(ch, &value, &lease), BELAY_EINVAL);
    assert_int_equal(belay_channel_join(NULL, ch), BELAY_EINVAL);
    assert_int_equal(belay_channel_close(ch, (belay_close_mode)0), BELAY_EINVAL);
    assert_int_equal(belay_channel_close(NULL, BELAY_CLOSE_NOW), BELAY_EINVAL);
    assert_int_equal(belay_channel_read(ch, NULL, 8), BELAY_EINVAL);
    assert_int_equal(belay_channel_length(NULL), 0);
    destroy(ch);
}

/* ---- passing items ---------------------------------------------------------------------------------------------------- */

static void test_a_buffered_channel_is_a_queue_around_its_ring(void **state) {
    (void)state;
    belay_channel *ch = make(3);
    int next_in = 0, next_out = 0;
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 3; i++) {
            assert_int_equal(try_send_int(ch, next_in++), BELAY_OK);
        }
        assert_int_equal(try_send_int(ch, -5), BELAY_EAGAIN);
        assert_int_equal(belay_channel_length(ch), 3);
        for (int i = 0; i < 1 + round % 3; i++) {
            assert_int_equal(try_recv_int(ch), next_out++);
        }
        while (belay_channel_length(ch) != 0) {
            assert_int_equal(try_recv_int(ch), next_out++);
        }
    }
    int value = 77;
    assert_int_equal(belay_channel_try_recv(ch, &value), BELAY_EAGAIN);
    assert_int_equal(value, 77);
    destroy(ch);
}

static void test_a_rendezvous_needs_both(void **state) {
    belay_channel *ch = make(0);
    int value = 1;
    assert_int_equal(try_send_int(ch, 1), BELAY_EAGAIN);
    assert_int_equal(belay_channel_try_recv(ch, &value), BELAY_EAGAIN);
    act a = {.ch = ch, .value = 9};
    belay_task_handle task = spawn_outside(executor_of(state), body_send, &a);
    await_senders(ch, 1);
    assert_int_equal(belay_channel_length(ch), 0);
    assert_int_equal(try_recv_int(ch), 9);
    (void)join_outside(task);
    assert_int_equal(a.status, BELAY_OK);
    destroy(ch);
}

static void test_items_without_data_are_counted(void **state) {
    (void)state;
    belay_channel *ch = NULL;
    belay_channel_options o = {.capacity = 2};
    assert_int_equal(belay_channel_create(&o, &ch), BELAY_OK);
    assert_int_equal(belay_channel_try_send(ch, NULL), BELAY_OK);
    assert_int_equal(belay_channel_send(NULL, ch, NULL), BELAY_OK);
    assert_int_equal(belay_channel_try_send(ch, NULL), BELAY_EAGAIN);
    assert_int_equal(belay_channel_recv(NULL, ch, NULL), BELAY_OK);
    assert_int_equal(belay_channel_try_recv(ch, NULL), BELAY_OK);
    assert_int_equal(belay_channel_try_recv(ch, NULL), BELAY_EAGAIN);
    destroy(ch);
}

static void test_items_of_every_size_are_copied_whole(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 3, 8, 24, 100, BELAY_ITEM_MAX};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        unsigned char in[BELAY_ITEM_MAX], out[BELAY_ITEM_MAX + 1];
        belay_channel *ch = NULL;
        belay_channel_options o = {.capacity = 2, .element = sizes[s]};
        assert_int_equal(belay_channel_create(&o, &ch), BELAY_OK);
        for (int round = 0; round < 3; round++) {
            memset(in, 'a' + round, sizeof in);
            memset(out, '.', sizeof out);
            assert_int_equal(belay_channel_send(NULL, ch, in), BELAY_OK);
            assert_int_equal(belay_channel_recv(NULL, ch, out), BELAY_OK);
            assert_memory_equal(in, out, sizes[s]);
            assert_int_equal(out[sizes[s]], '.');
        }
        destroy(ch);
    }
}

typedef struct stream {
    belay_channel *ch;
    int base, count;
    tally *received;
    tally *mark;
} stream;

static belay_status stream_send(belay_task *self, void *arg) {
    stream *s = arg;
    for (int i = 0; i < s->count; i++) {
        EXPECT_STATUS(send_int(self, s->ch, s->base + i), BELAY_OK);
    }
    return BELAY_OK;
}

enum { SENDERS = 3, ITEMS = 2000 };

/* Receives until the channel is closed; items of one sender come in order. */
static belay_status stream_recv(belay_task *self, void *arg) {
    stream *s = arg;
    int last[SENDERS] = {-1, -1, -1};
    int value;
    while (belay_channel_recv(self, s->ch, &value) == BELAY_OK) {
        int from = value / ITEMS;
        if (EXPECT(from >= 0 && from < SENDERS)) {
            EXPECT(value % ITEMS > last[from]);
            last[from] = value % ITEMS;
        }
        EXPECT(tally_add(&s->mark[value]) == 1);
        (void)tally_add(s->received);
    }
    return BELAY_OK;
}

static void *stream_send_thread(void *arg) {
    (void)stream_send(NULL, arg);
    return NULL;
}

static void many_to_many(belay_executor *ex, size_t capacity) {
    static tally mark[SENDERS * ITEMS];
    memset(mark, 0, sizeof mark);
    tally received = {0};
    belay_channel *ch = make(capacity);
    stream in[SENDERS], out = {ch, 0, 0, &received, mark};
    belay_task_handle senders[SENDERS], receivers[2];
    for (int i = 0; i < SENDERS; i++) {
        in[i] = (stream){ch, i * ITEMS, ITEMS, NULL, NULL};
    }
    for (int i = 0; i < 2; i++) {
        receivers[i] = spawn_outside(ex, stream_recv, &out);
        senders[i] = spawn_outside(ex, stream_send, &in[i]);
    }
    pthread_t thread = thread_start(stream_send_thread, &in[2]);
    pthread_join(thread, NULL);
    (void)join_outside(senders[0]);
    (void)join_outside(senders[1]);
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_DRAIN), BELAY_OK);
    (void)join_outside(receivers[0]);
    (void)join_outside(receivers[1]);
    assert_int_equal(tally_read(&received), SENDERS * ITEMS);
    belay_channel_info info = look(ch);
    assert_int_equal(info.sent, SENDERS * ITEMS);
    assert_int_equal(info.received, SENDERS * ITEMS);
    destroy(ch);
}

static void test_every_item_arrives_once_and_in_its_senders_order_by_rendezvous(void **state) {
    many_to_many(executor_of(state), 0);
}
static void test_every_item_arrives_once_and_in_its_senders_order_through_one_place(void **state) {
    many_to_many(executor_of(state), 1);
}
static void test_every_item_arrives_once_and_in_its_senders_order_through_a_buffer(void **state) {
    many_to_many(executor_of(state), 64);
}

static void test_foreign_threads_pass_items_without_an_executor(void **state) {
    (void)state;
    act a = {.ch = make(0), .value = 0};
    pthread_t thread = thread_start(thread_recv, &a);
    assert_int_equal(send_int(NULL, a.ch, 12), BELAY_OK);
    pthread_join(thread, NULL);
    assert_int_equal(a.status, BELAY_OK);
    assert_int_equal(a.value, 12);
    destroy(a.ch);
}

static void test_tasks_of_two_executors_pass_items(void **state) {
    belay_config config = test_config(1);
    belay_executor *other = NULL;
    assert_int_equal(belay_executor_create(&config, &other), BELAY_OK);
    belay_channel *there = make(0), *back = make(1);
    enum { ROUNDS = 300 };
    static int sum;
    sum = 0;
    stream in = {there, 0, ROUNDS, NULL, NULL};
    belay_task_handle a = spawn_outside(other, stream_send, &in);
    stream echo = {back, 0, ROUNDS, NULL, NULL};
    belay_task_handle b = spawn_outside(executor_of(state), stream_send, &echo);
    for (int i = 0; i < ROUNDS; i++) {
        sum += recv_int(NULL, there) + recv_int(NULL, back);
    }
    (void)join_outside(a);
    (void)join_outside(b);
    assert_int_equal(sum, ROUNDS * (ROUNDS - 1));
    destroy(there);
    destroy(back);
    assert_int_equal(belay_executor_destroy(other), BELAY_OK);
}

static belay_status cross_pong(belay_task *self, void *arg) {
    belay_channel **c = arg;
    for (int i = 0; i < 300; i++) {
        EXPECT_STATUS(send_int(self, c[1], recv_int(self, c[0]) + 1), BELAY_OK);
    }
    return BELAY_OK;
}
static belay_status cross_ping(belay_task *self, void *arg) {
    belay_channel **c = arg;
    for (int i = 0; i < 300; i++) {
        EXPECT_STATUS(send_int(self, c[0], i), BELAY_OK);
        EXPECT(recv_int(self, c[1]) == i + 1);
    }
    return BELAY_OK;
}

static void test_a_ping_pong_across_executors_ends(void **state) {
    belay_config config = test_config(1);
    belay_executor *other = NULL;
    assert_int_equal(belay_executor_create(&config, &other), BELAY_OK);
    belay_channel *c[2] = {make(0), make(0)};
    belay_task_handle a = spawn_outside(other, cross_pong, c);
    belay_task_handle b = spawn_outside(executor_of(state), cross_ping, c);
    (void)join_outside(a);
    (void)join_outside(b);
    destroy(c[0]);
    destroy(c[1]);
    assert_int_equal(belay_executor_destroy(other), BELAY_OK);
}

/* ---- first come, first served --------------------------------------------------------------------------------------------- */

static void test_receivers_are_served_in_the_order_of_their_coming(void **state) {
    belay_channel *ch = make(4);
    act a[3];
    belay_task_handle task[3];
    for (int i = 0; i < 3; i++) {
        a[i] = (act){.ch = ch, .value = -1};
        task[i] = spawn_outside(executor_of(state), body_recv, &a[i]);
        await_receivers(ch, (uint64_t)i + 1);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(try_send_int(ch, i), BELAY_OK);
    }
    for (int i = 0; i < 3; i++) {
        (void)join_outside(task[i]);
        assert_int_equal(a[i].value, i);
    }
    destroy(ch);
}

static void test_senders_are_served_in_the_order_of_their_coming(void **state) {
    belay_channel *ch = make(1);
    assert_int_equal(try_send_int(ch, 0), BELAY_OK);
    act a[3];
    belay_task_handle task[3];
    for (int i = 0; i < 3; i++) {
        a[i] = (act){.ch = ch, .value = i + 1};
        task[i] = spawn_outside(executor_of(state), body_send, &a[i]);
        await_senders(ch, (uint64_t)i + 1);
    }
    for (int i = 0; i <= 3; i++) {
        assert_int_equal(try_recv_int(ch), i);
    }
    for (int i = 0; i < 3; i++) {
        (void)join_outside(task[i]);
        assert_int_equal(a[i].status, BELAY_OK);
    }
    destroy(ch);
}

static void test_a_late_comer_does_not_overtake_a_waiting_sender(void **state) {
    belay_channel *ch = make(1);
    assert_int_equal(try_send_int(ch, 0), BELAY_OK);
    act a = {.ch = ch, .value = 1};
    belay_task_handle task = spawn_outside(executor_of(state), body_send, &a);
    await_senders(ch, 1);
    assert_int_equal(try_recv_int(ch), 0);
    assert_int_equal(try_send_int(ch, 2), BELAY_EAGAIN); /* its place is taken */
    (void)join_outside(task);
    assert_int_equal(try_recv_int(ch), 1);
    destroy(ch);
}

static belay_status late_comer_body(belay_task *self, void *arg) {
    act *a = arg; /* a receiver waits; its item must not go to us */
    EXPECT_STATUS(send_int(self, a->ch, 5), BELAY_OK);
    int value;
    EXPECT_STATUS(belay_channel_try_recv(a->ch, &value), BELAY_EAGAIN);
    return BELAY_OK;
}

static void test_a_late_comer_does_not_overtake_a_waiting_receiver(void **state) {
    act a = {.ch = make(4), .value = -1};
    belay_task_handle task = spawn_outside(executor_of(state), body_recv, &a);
    await_receivers(a.ch, 1);
    run(executor_of(state), late_comer_body, &a);
    (void)join_outside(task);
    assert_int_equal(a.value, 5);
    destroy(a.ch);
}

static tally others_turn;
static belay_status other_body(belay_task *self, void *arg) {
    (void)self;
    (void)arg;
    (void)tally_add(&others_turn);
    return BELAY_OK;
}
static belay_status shares_body(belay_task *self, void *arg) {
    belay_channel *ch = arg;
    tally_set(&others_turn, 0);
    belay_scope scope = belay_executor_root(belay_task_executor(self));
    EXPECT_STATUS(belay_spawn(self, scope, other_body, NULL, NULL, NULL), BELAY_OK);
    /* Always ready: still the other task gets its turn, though there may be one worker. */
    for (int i = 0; i < 1000; i++) {
        EXPECT_STATUS(send_int(self, ch, i), BELAY_OK);
        (void)recv_int(self, ch);
    }
    return EXPECT(tally_read(&others_turn) == 1) ? BELAY_OK : BELAY_EINVAL;
}

static void test_operations_that_are_always_ready_share_the_worker(void **state) {
    if (workers_of(state) != 1) {
        return;
    }
    belay_channel *ch = make(1);
    run(executor_of(state), shares_body, ch);
    destroy(ch);
}

/* ---- overflow ----------------------------------------------------------------------------------------------------------------- */

static void test_a_channel_that_fails_leaves_the_item_with_the_sender(void **state) {
    (void)state;
    belay_channel *ch =
        make_with((belay_channel_options){.capacity = 1, .overflow = BELAY_OVERFLOW_FAIL});
    assert_int_equal(send_int(NULL, ch, 1), BELAY_OK);
    assert_int_equal(send_int(NULL, ch, 2), BELAY_EAGAIN);
    assert_int_equal(try_recv_int(ch), 1);
    destroy(ch);
    assert_int_equal(tally_read(&dropped.count), 0);
}

static void test_drop_oldest_keeps_the_latest(void **state) {
    (void)state;
    belay_channel *ch =
        make_with((belay_channel_options){.capacity = 3, .overflow = BELAY_OVERFLOW_DROP_OLDEST});
    for (int i = 1; i <= 8; i++) {
        assert_int_equal(i % 2 != 0 ? send_int(NULL, ch, i) : try_send_int(ch, i), BELAY_OK);
    }
    assert_int_equal(dropped.sum, 1 + 2 + 3 + 4 + 5);
    for (int i = 6; i <= 8; i++) {
        assert_int_equal(try_recv_int(ch), i);
    }
    assert_int_equal(look(ch).dropped, 5);
    destroy(ch);
}

static void test_drop_newest_keeps_the_first(void **state) {
    (void)state;
    belay_channel *ch =
        make_with((belay_channel_options){.capacity = 3, .overflow = BELAY_OVERFLOW_DROP_NEWEST});
    for (int i = 1; i <= 5; i++) {
        assert_int_equal(send_int(NULL, ch, i), BELAY_OK);
    }
    assert_int_equal(dropped.sum, 4 + 5);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(try_recv_int(ch), i);
    }
    destroy(ch);
}

static void test_a_rendezvous_that_drops_is_a_signal_for_who_listens(void **state) {
    belay_channel *ch = make_with((belay_channel_options){.overflow = BELAY_OVERFLOW_DROP_OLDEST});
    assert_int_equal(send_int(NULL, ch, 4), BELAY_OK);
    assert_int_equal(dropped.sum, 4);
    act a = {.ch = ch, .value = -1};
    belay_task_handle task = spawn_outside(executor_of(state), body_recv, &a);
    await_receivers(ch, 1);
    assert_int_equal(send_int(NULL, ch, 6), BELAY_OK);
    (void)join_outside(task);
    assert_int_equal(a.value, 6);
    assert_int_equal(dropped.sum, 4);
    destroy(ch);
}

static belay_channel *reentered;
static void drop_and_use(void *item, void *arg) {
    drop_int(item, arg);
    int value = 100; /* a callback: what does not wait is allowed, and no lock is held */
    EXPECT_STATUS(belay_channel_send(NULL, reentered, &value), BELAY_ECONTEXT);
    EXPECT(belay_channel_length(reentered) <= 1);
    (void)belay_channel_try_recv(reentered, &value);
}

static void test_the_drop_hook_runs_under_no_lock(void **state) {
    (void)state;
    belay_channel_options o = {.capacity = 1,
                               .element = sizeof(int),
                               .overflow = BELAY_OVERFLOW_DROP_OLDEST,
                               .drop = drop_and_use};
    assert_int_equal(belay_channel_create(&o, &reentered), BELAY_OK);
    assert_int_equal(try_send_int(reentered, 1), BELAY_OK);
    assert_int_equal(try_send_int(reentered, 2), BELAY_OK);
    assert_int_equal(belay_channel_length(reentered), 0);
    assert_int_equal(try_send_int(reentered, 3), BELAY_OK);
    assert_int_equal(belay_channel_close(reentered, BELAY_CLOSE_NOW), BELAY_OK);
    destroy(reentered);
}

/* ---- closing ----------------------------------------------------------------------------------------------------------------- */

static void test_a_drained_channel_gives_what_is_buffered_and_then_epipe(void **state) {
    (void)state;
    belay_channel *ch = make(4);
    assert_int_equal(try_send_int(ch, 1), BELAY_OK);
    assert_int_equal(try_send_int(ch, 2), BELAY_OK);
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_DRAIN), BELAY_OK);
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_DRAIN), BELAY_EALREADY);
    assert_int_equal(try_send_int(ch, 3), BELAY_EPIPE);
    assert_int_equal(send_int(NULL, ch, 3), BELAY_EPIPE);
    assert_int_equal(recv_int(NULL, ch), 1);
    assert_int_equal(try_recv_int(ch), 2);
    int value = 5;
    assert_int_equal(belay_channel_recv(NULL, ch, &value), BELAY_EPIPE);
    assert_int_equal(belay_channel_try_recv(ch, &value), BELAY_EPIPE);
    assert_int_equal(value, 5);
    destroy(ch);
    assert_int_equal(tally_read(&dropped.count), 0);
}

static void test_close_now_drops_what_is_buffered(void **state) {
    (void)state;
    belay_channel *ch = make(4);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(try_send_int(ch, i), BELAY_OK);
    }
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_NOW), BELAY_OK);
    assert_int_equal(dropped.sum, 6);
    int value;
    assert_int_equal(belay_channel_recv(NULL, ch, &value), BELAY_EPIPE);
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_DRAIN), BELAY_EALREADY);
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_NOW), BELAY_EALREADY);
    destroy(ch);
    assert_int_equal(tally_read(&dropped.count), 3);
}

static void test_a_draining_channel_may_be_closed_now(void **state) {
    (void)state;
    belay_channel *ch = make(4);
    assert_int_equal(try_send_int(ch, 1), BELAY_OK);
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_DRAIN), BELAY_OK);
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_NOW), BELAY_OK);
    assert_int_equal(dropped.sum, 1);
    destroy(ch);
}

static void test_close_wakes_every_receiver(void **state) {
    belay_channel *ch = make(2);
    act a[3];
    belay_task_handle task[2];
    for (int i = 0; i < 3; i++) {
        a[i] = (act){.ch = ch, .value = -1};
    }
    task[0] = spawn_outside(executor_of(state), body_recv, &a[0]);
    task[1] = spawn_outside(executor_of(state), body_recv, &a[1]);
    pthread_t thread = thread_start(thread_recv, &a[2]);
    await_receivers(ch, 3);
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_DRAIN), BELAY_OK);
    pthread_join(thread, NULL);
    (void)join_outside(task[0]);
    (void)join_outside(task[1]);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(a[i].status, BELAY_EPIPE);
        assert_int_equal(a[i].value, -1);
    }
    destroy(ch);
}

static void close_with_senders(belay_executor *ex, belay_close_mode mode) {
    belay_channel *ch = make(1);
    assert_int_equal(try_send_int(ch, 50), BELAY_OK);
    act a[3];
    belay_task_handle task[2];
    for (int i = 0; i < 3; i++) {
        a[i] = (act){.ch = ch, .value = i};
    }
    task[0] = spawn_outside(ex, body_send, &a[0]);
    task[1] = spawn_outside(ex, body_send, &a[1]);
    pthread_t thread = thread_start(thread_send, &a[2]);
    await_senders(ch, 3);
    assert_int_equal(belay_channel_close(ch, mode), BELAY_OK);
    pthread_join(thread, NULL);
    (void)join_outside(task[0]);
    (void)join_outside(task[1]);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(a[i].status, BELAY_EPIPE); /* and the items are still theirs */
    }
    assert_int_equal(tally_read(&dropped.count), mode == BELAY_CLOSE_NOW ? 1 : 0);
    destroy(ch);
    assert_int_equal(dropped.sum, 50);
}

static void test_close_and_drain_returns_the_items_of_waiting_senders(void **state) {
    close_with_senders(executor_of(state), BELAY_CLOSE_DRAIN);
}
static void test_close_now_returns_the_items_of_waiting_senders(void **state) {
    close_with_senders(executor_of(state), BELAY_CLOSE_NOW);
}

/* ---- looking ------------------------------------------------------------------------------------------------------------------- */

static void test_the_counters_tell_what_is_going_on(void **state) {
    belay_channel *ch = make_with((belay_channel_options){.capacity = 2, .name = "jobs"});
    act a[3];
    belay_task_handle task[3];
    for (int i = 0; i < 3; i++) {
        a[i] = (act){.ch = ch, .value = i};
        task[i] = spawn_outside(executor_of(state), body_send, &a[i]);
        tally_await(&a[i].done, i < 2 ? 1 : 0);
    }
    await_senders(ch, 1);
    belay_channel_info info = look(ch);
    assert_string_equal(info.name, "jobs");
    assert_true(info.capacity == 2 && info.length == 2 && info.senders == 1);
    assert_true(info.receivers == 0 && info.sent == 2 && info.received == 0 && info.closed == 0);
    await_waiting(executor_of(state), "channel send", 1);
    assert_int_equal(recv_int(NULL, ch), 0);
    info = look(ch);
    assert_true(info.length == 2 && info.senders == 0 && info.sent == 3 && info.received == 1);
    for (int i = 0; i < 3; i++) {
        (void)join_outside(task[i]);
    }
    assert_int_equal(belay_channel_close(ch, BELAY_CLOSE_NOW), BELAY_OK);
    info = look(ch);
    assert_true(info.length == 0 && info.dropped == 2 && info.closed == BELAY_CLOSE_NOW);
    destroy(ch);
}

/* An older program's struct is shorter. */
static void test_no_more_is_written_than_the_caller_has_room_for(void **state) {
    (void)state;
    belay_channel *ch = make(7);
    belay_channel_info info;
    memset(&info, 0x55, sizeof info);
    assert_int_equal(belay_channel_read(ch, &info, 16), BELAY_OK);
    assert_true(info.capacity == 7 && info.length == UINT64_C(0x5555555555555555));
    destroy(ch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_bad_options_are_refused),
        BOTH_BARE(test_memory_comes_from_the_executors_hook),
        BOTH(test_destroy_drops_what_is_left),
        BOTH(test_destroy_is_refused_while_somebody_waits),
        BOTH(test_mistakes_in_the_call),
        BOTH(test_a_buffered_channel_is_a_queue_around_its_ring),
        BOTH(test_a_rendezvous_needs_both),
        BOTH(test_items_without_data_are_counted),
        BOTH(test_items_of_every_size_are_copied_whole),
        BOTH(test_every_item_arrives_once_and_in_its_senders_order_by_rendezvous),
        BOTH(test_every_item_arrives_once_and_in_its_senders_order_through_one_place),
        BOTH(test_every_item_arrives_once_and_in_its_senders_order_through_a_buffer),
        BOTH(test_foreign_threads_pass_items_without_an_executor),
        BOTH(test_tasks_of_two_executors_pass_items),
        BOTH(test_a_ping_pong_across_executors_ends),
        BOTH(test_receivers_are_served_in_the_order_of_their_coming),
        BOTH(test_senders_are_served_in_the_order_of_their_coming),
        BOTH(test_a_late_comer_does_not_overtake_a_waiting_sender),
        BOTH(test_a_late_comer_does_not_overtake_a_waiting_receiver),
        BOTH(test_operations_that_are_always_ready_share_the_worker),
        BOTH(test_a_channel_that_fails_leaves_the_item_with_the_sender),
        BOTH(test_drop_oldest_keeps_the_latest),
        BOTH(test_drop_newest_keeps_the_first),
        BOTH(test_a_rendezvous_that_drops_is_a_signal_for_who_listens),
        BOTH(test_the_drop_hook_runs_under_no_lock),
        BOTH(test_a_drained_channel_gives_what_is_buffered_and_then_epipe),
        BOTH(test_close_now_drops_what_is_buffered),
        BOTH(test_a_draining_channel_may_be_closed_now),
        BOTH(test_close_wakes_every_receiver),
        BOTH(test_close_and_drain_returns_the_items_of_waiting_senders),
        BOTH(test_close_now_returns_the_items_of_waiting_senders),
        BOTH(test_the_counters_tell_what_is_going_on),
        BOTH(test_no_more_is_written_than_the_caller_has_room_for),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
