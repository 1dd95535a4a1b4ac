/* Inherited values: found in the scopes a task is in. */
#include <belay/cleanup.h>
#include <belay/value.h>

#include "api/cancels.h"

static const belay_key user = {"user", sizeof(int)}, trace_id = {"trace", sizeof(long)};

static belay_scope open_with(belay_task *self, const belay_binding *bindings) {
    belay_scope_options options = {.bindings = bindings};
    belay_scope scope = {0};
    EXPECT_STATUS(belay_scope_open(self, &options, &scope), BELAY_OK);
    return scope;
}

static int int_of(belay_task *self) {
    const int *v = belay_value(self, &user);
    return v != NULL ? *v : -1;
}

static belay_status expect_user(belay_task *self, void *arg) {
    EXPECT(int_of(self) == *(const int *)arg);
    EXPECT_STATUS(belay_yield(self), BELAY_OK); /* perhaps elsewhere now */
    EXPECT_STATUS(nap(self, BELAY_MILLISECOND / 10), BELAY_OK);
    EXPECT(int_of(self) == *(const int *)arg);
    return BELAY_OK;
}

static belay_status bind_and_look(belay_task *self, void *arg) {
    int outer = 7, inner = 8;
    long id = 99;
    const belay_binding id_binding = {&trace_id, &id, NULL};
    const belay_binding outer_binding = {&user, &outer, &id_binding};
    const belay_binding inner_binding = {&user, &inner, NULL};
    (void)arg;
    EXPECT(belay_value(self, &user) == NULL);
    belay_scope a = open_with(self, &outer_binding);
    EXPECT(int_of(self) == 7);
    EXPECT_STATUS(belay_spawn(self, a, expect_user, &outer, NULL, NULL), BELAY_OK);
    belay_scope b = open_with(self, &inner_binding);
    EXPECT(int_of(self) == 8 && *(const long *)belay_value(self, &trace_id) == 99);
    EXPECT_STATUS(belay_spawn(self, b, expect_user, &inner, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_spawn(self, a, expect_user, &outer, NULL, NULL),
                  BELAY_OK); /* by where it is spawned */
    EXPECT_STATUS(belay_scope_close(self, b), BELAY_OK);
    EXPECT(int_of(self) == 7);
    EXPECT_STATUS(belay_scope_close(self, a), BELAY_OK);
    EXPECT(belay_value(self, &user) == NULL && belay_value(self, &trace_id) == NULL);
    return BELAY_OK;
}

static void test_a_value_is_seen_in_its_scope_and_below_and_an_inner_one_hides_it(void **state) {
    run(executor_of(state), bind_and_look, NULL);
}

static belay_status copy_values(belay_task *self, void *arg) {
    int value = 5, got = 0;
    const belay_binding binding = {&user, &value, NULL};
    (void)arg;
    EXPECT_STATUS(belay_value_copy(self, &user, &got, sizeof got), BELAY_ENOENT);
    belay_scope scope = open_with(self, &binding);
    EXPECT_STATUS(belay_value_copy(self, &user, &got, sizeof got), BELAY_OK);
    EXPECT(got == 5);
    EXPECT_STATUS(belay_value_copy(self, &user, &got, 1), BELAY_EINVAL);
    EXPECT_STATUS(belay_value_copy(self, NULL, &got, sizeof got), BELAY_EINVAL);
    EXPECT_STATUS(belay_value_copy(self, &user, NULL, sizeof got), BELAY_EINVAL);
    EXPECT(belay_value(NULL, &user) == NULL);
    EXPECT_STATUS(belay_value_copy(NULL, &user, &got, sizeof got), BELAY_ENOENT);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    return BELAY_OK;
}

static void test_a_copy_must_have_the_keys_size(void **state) {
    run(executor_of(state), copy_values, NULL);
}

static void test_a_scope_opened_from_outside_gives_its_values_to_its_tasks_alone(void **state) {
    belay_executor *ex = executor_of(state);
    int value = 11, none = -1;
    const belay_binding binding = {&user, &value, NULL};
    belay_scope_options options = {.bindings = &binding};
    belay_scope scope = scope_make(ex, &options);
    belay_task_handle in = spawn_into(scope, expect_user, &value);
    belay_task_handle out = spawn_outside(ex, expect_user, &none);
    (void)join_outside(in);
    (void)join_outside(out);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
}

static belay_status look_in_cleanup(belay_task *self, void *arg) {
    EXPECT(int_of(self) == *(const int *)arg);
    return BELAY_OK;
}

static belay_status defer_look(belay_task *self, void *arg) {
    EXPECT_STATUS(belay_defer(self, look_in_cleanup, arg), BELAY_OK);
    return BELAY_OK;
}

static belay_status cleanups_look(belay_task *self, void *arg) {
    int value = 12;
    const belay_binding binding = {&user, &value, NULL};
    (void)arg;
    belay_scope scope = open_with(self, &binding);
    EXPECT_STATUS(belay_spawn(self, scope, defer_look, &value, NULL, NULL), BELAY_OK);
    EXPECT_STATUS(belay_scope_defer(scope, look_in_cleanup, &value), BELAY_OK);
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    return BELAY_OK;
}

static void test_cleanup_sees_the_values_of_its_task_and_of_its_scope(void **state) {
    run(executor_of(state), cleanups_look, NULL);
}

static long fork_looks(belay_task *self, long n) {
    return int_of(self) + n;
}
BELAY_FORKABLE(fork_looks, long, long)

static belay_status forks_look(belay_task *self, void *arg) {
    int value = 13;
    const belay_binding binding = {&user, &value, NULL};
    (void)arg;
    belay_scope scope = open_with(self, &binding);
    for (long i = 0; i < 50; i++) {
        fork_looks_fork(self, i);
    }
    for (long i = 50; i-- > 0;) {
        EXPECT(fork_looks_sync(self) == 13 + i);
    }
    EXPECT_STATUS(belay_scope_close(self, scope), BELAY_OK);
    return BELAY_OK;
}

static void test_forks_see_the_values_of_where_they_were_forked(void **state) {
    run(executor_of(state), forks_look, NULL);
}

static belay_status values_behind_shield(belay_task *self, void *arg) {
    int value = 14;
    const belay_binding binding = {&user, &value, NULL};
    (void)arg;
    belay_scope scope = open_with(self, &binding), shield;
    EXPECT_STATUS(belay_scope_cancel(scope, 181, NULL), BELAY_OK);
    EXPECT(int_of(self) == 14); /* cancelled or not */
    EXPECT_STATUS(belay_shield_open(self, belay_after(LONG), &shield), BELAY_OK);
    EXPECT(int_of(self) == 14);
    EXPECT_STATUS(belay_scope_close(self, shield), BELAY_OK);
    (void)belay_scope_close(self, scope);
    return BELAY_OK;
}

static void test_neither_a_cancel_nor_a_shield_hides_a_value(void **state) {
    run(executor_of(state), values_behind_shield, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_a_value_is_seen_in_its_scope_and_below_and_an_inner_one_hides_it),
        BOTH(test_a_copy_must_have_the_keys_size),
        BOTH(test_a_scope_opened_from_outside_gives_its_values_to_its_tasks_alone),
        BOTH(test_cleanup_sees_the_values_of_its_task_and_of_its_scope),
        BOTH(test_forks_see_the_values_of_where_they_were_forked),
        BOTH(test_neither_a_cancel_nor_a_shield_hides_a_value),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
