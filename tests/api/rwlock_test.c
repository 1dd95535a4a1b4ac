/* The rwlock: exclusion, phases, cancel and deadline, a writer that dies, mistakes. */
#include "api/locks.h"

enum { CROWD = 10, ROUNDS = 150 };

static belay_status lock_as_asked(belay_task *self, member *m) {
    bool write = m->n != 0;
    if (m->deadline != 0) {
        return write ? belay_rwlock_write_until(self, m->object, m->deadline)
                     : belay_rwlock_read_until(self, m->object, m->deadline);
    }
    return write ? belay_rwlock_write(self, m->object) : belay_rwlock_read(self, m->object);
}

static belay_status unlock_as_asked(belay_task *self, member *m) {
    return m->n != 0 ? belay_rwlock_write_unlock(self, m->object)
                     : belay_rwlock_read_unlock(self, m->object);
}

/* Locks, says so, waits to be let go, unlocks. */
static belay_status stay(belay_task *self, member *m) {
    belay_status status = lock_as_asked(self, m);
    if (status == BELAY_OK || status == BELAY_EOWNERDEAD) {
        member_served(m);
        (void)tally_add(&m->entered);
        (void)tally_await_in(self, &m->leave, 1);
        EXPECT_STATUS(unlock_as_asked(self, m), BELAY_OK);
    }
    return status;
}

/* The same without waiting. */
static belay_status visit(belay_task *self, member *m) {
    tally_set(&m->leave, 1);
    return stay(self, m);
}

static belay_rwlock rwlock_new(void) {
    belay_rwlock l;
    assert_int_equal(belay_rwlock_init(&l), BELAY_OK);
    return l;
}

static belay_status alone(belay_task *self, void *arg) {
    belay_rwlock *l = arg;
    EXPECT_STATUS(belay_rwlock_read(self, l), BELAY_OK);
    EXPECT_STATUS(belay_rwlock_try_read(self, l), BELAY_OK);
    EXPECT_STATUS(belay_rwlock_try_write(self, l), BELAY_EAGAIN);
    EXPECT_STATUS(belay_rwlock_fini(l), BELAY_EBUSY);
    EXPECT_STATUS(belay_rwlock_read_unlock(self, l), BELAY_OK);
    EXPECT_STATUS(belay_rwlock_write_unlock(self, l), BELAY_EINVAL);
    EXPECT_STATUS(belay_rwlock_read_unlock(self, l), BELAY_OK);
    EXPECT_STATUS(belay_rwlock_read_unlock(self, l), BELAY_EINVAL);
    EXPECT_STATUS(belay_rwlock_write(self, l), BELAY_OK);
    EXPECT_STATUS(belay_rwlock_write(self, l), BELAY_EDEADLK);
    EXPECT_STATUS(belay_rwlock_read(self, l), BELAY_EDEADLK);
    EXPECT_STATUS(belay_rwlock_fini(l), BELAY_EBUSY);
    EXPECT_STATUS(belay_rwlock_write_unlock(self, l), BELAY_OK);
    EXPECT_STATUS(belay_rwlock_write_until(self, l, 0), BELAY_OK);
    EXPECT_STATUS(belay_rwlock_write_unlock(self, l), BELAY_OK);
    EXPECT_STATUS(belay_rwlock_read(self, NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_rwlock_write_unlock(self, NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_rwlock_read_unlock(self, NULL), BELAY_EINVAL);
    return BELAY_OK;
}

static void test_locks_unlocks_and_mistakes_alone(void **state) {
    belay_rwlock l = rwlock_new();
    run(executor_of(state), alone, &l);
    assert_int_equal(alone(NULL, &l), BELAY_OK);
    assert_int_equal(belay_rwlock_fini(&l), BELAY_OK);
}

static void test_readers_share(void **state) {
    belay_rwlock l = rwlock_new();
    member crowd[CROWD];
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = (member){.act = stay, .object = &l};
        member_start(executor_of(state), &crowd[i]);
    }
    for (int i = 0; i < CROWD; i++) {
        tally_await(&crowd[i].entered, 2); /* all are inside at once */
    }
    for (int i = 0; i < CROWD; i++) {
        tally_add(&crowd[i].leave);
        member_end(&crowd[i], BELAY_OK);
    }
    assert_int_equal(belay_rwlock_fini(&l), BELAY_OK);
}

static void test_a_waiting_writer_keeps_later_readers_out_and_goes_first(void **state) {
    belay_rwlock l = rwlock_new();
    tally turns = {0};
    member first = {.act = stay, .object = &l};
    member writer = {.act = stay, .object = &l, .n = 1, .turns = &turns};
    member reader = {.act = visit, .object = &l, .turns = &turns};
    member_start(executor_of(state), &first);
    tally_await(&first.entered, 2);
    member_start_waiting(executor_of(state), &writer, "rwlock", 1);
    member_start_waiting(executor_of(state), &reader, "rwlock", 2);
    assert_int_equal(belay_rwlock_try_read(NULL, &l), BELAY_EAGAIN);
    tally_add(&first.leave);
    tally_await(&writer.entered, 2);
    tally_add(&writer.leave);
    member_end(&first, BELAY_OK);
    member_end(&writer, BELAY_OK);
    member_end(&reader, BELAY_OK);
    assert_int_equal(writer.turn, 1);
    assert_int_equal(reader.turn, 2);
}

static void test_readers_go_between_two_writers(void **state) {
    belay_rwlock l = rwlock_new();
    tally turns = {0};
    member first = {.act = stay, .object = &l, .n = 1};
    member second = {.act = visit, .object = &l, .n = 1, .turns = &turns};
    member readers[2] = {{.act = visit, .object = &l, .turns = &turns},
                         {.act = visit, .object = &l, .turns = &turns}};
    member_start(executor_of(state), &first);
    tally_await(&first.entered, 2);
    member_start_waiting(executor_of(state), &second, "rwlock", 1);
    member_start_waiting(executor_of(state), &readers[0], "rwlock", 2);
    member_start_waiting(executor_of(state), &readers[1], "rwlock", 3);
    tally_add(&first.leave);
    member_end(&first, BELAY_OK);
    member_end(&second, BELAY_OK);
    member_end(&readers[0], BELAY_OK);
    member_end(&readers[1], BELAY_OK);
    assert_int_equal(second.turn, 3);
}

static void test_a_cancelled_writer_lets_the_readers_behind_it_in(void **state) {
    belay_rwlock l = rwlock_new();
    member first = {.act = stay, .object = &l};
    member writer = {.act = visit, .object = &l, .n = 1};
    member reader = {.act = visit, .object = &l};
    member_start(executor_of(state), &first);
    tally_await(&first.entered, 2);
    member_start_waiting(executor_of(state), &writer, "rwlock", 1);
    member_start_waiting(executor_of(state), &reader, "rwlock", 2);
    member_cancel(&writer);
    member_end(&writer, BELAY_ECANCELED);
    member_end(&reader, BELAY_OK); /* while the first reader stays */
    tally_add(&first.leave);
    member_end(&first, BELAY_OK);
    assert_int_equal(belay_rwlock_fini(&l), BELAY_OK);
}

static void test_deadlines_pass_for_readers_and_writers(void **state) {
    belay_rwlock l = rwlock_new();
    assert_int_equal(belay_rwlock_write(NULL, &l), BELAY_OK);
    member reader = {.act = visit, .object = &l, .deadline = belay_after(BELAY_MILLISECOND)};
    member writer = {
        .act = visit, .object = &l, .n = 1, .deadline = belay_after(BELAY_MILLISECOND)};
    member_start(executor_of(state), &reader);
    member_start(executor_of(state), &writer);
    member_end(&reader, BELAY_ETIMEDOUT);
    member_end(&writer, BELAY_ETIMEDOUT);
    assert_int_equal(belay_rwlock_write_unlock(NULL, &l), BELAY_OK);
    assert_int_equal(belay_rwlock_fini(&l), BELAY_OK);
}

static void test_cancelled_tasks_are_refused_by_a_free_lock(void **state) {
    belay_rwlock l = rwlock_new();
    member m = {.act = visit, .object = &l};
    member_run_canceled(executor_of(state), &m, BELAY_ECANCELED);
    m.n = 1;
    member_run_canceled(executor_of(state), &m, BELAY_ECANCELED);
    assert_int_equal(belay_rwlock_fini(&l), BELAY_OK);
}

static belay_status write_and_die(belay_task *self, member *m) {
    return belay_rwlock_write(self, m->object);
}

static void test_a_dead_writer_is_reported_until_a_writer_has_come(void **state) {
    belay_rwlock l = rwlock_new();
    member m = {.act = write_and_die, .object = &l};
    member_start(executor_of(state), &m);
    member_end(&m, BELAY_OK);
    assert_int_equal(belay_rwlock_read(NULL, &l), BELAY_EOWNERDEAD);
    assert_int_equal(belay_rwlock_read_unlock(NULL, &l), BELAY_OK);
    assert_int_equal(belay_rwlock_write(NULL, &l), BELAY_EOWNERDEAD);
    assert_int_equal(belay_rwlock_write_unlock(NULL, &l), BELAY_OK);
    assert_int_equal(belay_rwlock_read(NULL, &l), BELAY_OK);
    assert_int_equal(belay_rwlock_read_unlock(NULL, &l), BELAY_OK);
}

typedef struct book {
    belay_rwlock lock;
    uint64_t left, right; /* plain; equal whenever nobody writes */
} book;

static belay_status read_and_write(belay_task *self, member *m) {
    book *b = m->object;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        bool write = (i + m->number) % 3 == 0;
        EXPECT_STATUS(write ? belay_rwlock_write(self, &b->lock)
                            : belay_rwlock_read(self, &b->lock),
                      BELAY_OK);
        EXPECT(b->left == b->right);
        if (write) { /* a reader touches nothing */
            b->left++;
        }
        if (i % 5 == 0) {
            EXPECT_STATUS(belay_yield(self), BELAY_OK);
        }
        if (write) {
            b->right++;
        }
        EXPECT_STATUS(write ? belay_rwlock_write_unlock(self, &b->lock)
                            : belay_rwlock_read_unlock(self, &b->lock),
                      BELAY_OK);
    }
    return BELAY_OK;
}

static void test_readers_see_no_half_writes_and_nobody_starves(void **state) {
    book b = {.lock = rwlock_new()};
    member crowd[CROWD];
    for (uint32_t i = 0; i < CROWD; i++) {
        crowd[i] = (member){.act = read_and_write, .object = &b, .number = i};
        member_start(executor_of(state), &crowd[i]);
    }
    for (int i = 0; i < CROWD; i++) {
        member_end(&crowd[i], BELAY_OK);
    }
    assert_int_equal(b.left, CROWD * ROUNDS / 3);
    assert_int_equal(b.left, b.right);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        BOTH(test_locks_unlocks_and_mistakes_alone),
        BOTH(test_readers_share),
        BOTH(test_a_waiting_writer_keeps_later_readers_out_and_goes_first),
        BOTH(test_readers_go_between_two_writers),
        BOTH(test_a_cancelled_writer_lets_the_readers_behind_it_in),
        BOTH(test_deadlines_pass_for_readers_and_writers),
        BOTH(test_cancelled_tasks_are_refused_by_a_free_lock),
        BOTH(test_a_dead_writer_is_reported_until_a_writer_has_come),
        BOTH(test_readers_see_no_half_writes_and_nobody_starves),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
