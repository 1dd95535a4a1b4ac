/* Channels: creating and destroying, passing items, looking. Order, overflow and closing have files of their own;
 * cancelling: channel_cancel_test.c. */
#include "channels.h"

/* ---- creating -------------------------------------------------------------------------------- */

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

/* ---- passing items --------------------------------------------------------------------------- */

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

/* ---- looking --------------------------------------------------------------------------------- */

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
        BOTH(test_the_counters_tell_what_is_going_on),
        BOTH(test_no_more_is_written_than_the_caller_has_room_for),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
