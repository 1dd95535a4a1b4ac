/* Resources: released exactly once, by hand or at the close of their scope. */
#include <belay/cleanup.h>

#include "api/cancels.h"

static void test_one_released_by_hand_is_not_released_again_at_the_close(void **state) {
    belay_scope scope = scope_make(executor_of(state), NULL);
    tally released = {0};
    belay_registration r;
    assert_int_equal(belay_resource_bind(scope, tally_drop, &released, &r), BELAY_OK);
    assert_int_equal(belay_resource_release(r), BELAY_OK);
    assert_int_equal(belay_resource_release(r), BELAY_ESTALE);
    assert_int_equal(belay_resource_take(r, NULL), BELAY_ESTALE);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_int_equal(tally_read(&released), 1);
}

static void test_one_that_is_left_is_released_by_the_close(void **state) {
    belay_scope scope = scope_make(executor_of(state), NULL);
    tally released = {0};
    belay_registration r;
    assert_int_equal(belay_resource_bind(scope, tally_drop, &released, &r), BELAY_OK);
    assert_int_equal(belay_scope_cancel(scope, 171, NULL), BELAY_OK);
    assert_int_equal(tally_read(&released), 0); /* a cancel releases nothing */
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_int_equal(tally_read(&released), 1);
    assert_int_equal(belay_resource_release(r), BELAY_ESTALE);
}

static void test_one_that_is_taken_back_is_the_callers(void **state) {
    belay_scope scope = scope_make(executor_of(state), NULL);
    tally released = {0};
    void *value = NULL;
    belay_registration r, other;
    assert_int_equal(belay_resource_bind(scope, tally_drop, &released, &r), BELAY_OK);
    assert_int_equal(belay_resource_bind(scope, tally_drop, &released, &other), BELAY_OK);
    assert_int_equal(belay_resource_take(r, &value), BELAY_OK);
    assert_ptr_equal(value, &released);
    assert_int_equal(belay_resource_take(other, NULL), BELAY_OK);
    assert_int_equal(belay_resource_take(r, &value), BELAY_ESTALE);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_int_equal(tally_read(&released), 0);
}

static void test_a_refused_bind_leaves_the_value_with_the_caller(void **state) {
    belay_scope scope = scope_make(executor_of(state), NULL);
    tally released = {0};
    belay_registration r = {.slot = 3};
    assert_int_equal(belay_resource_bind(scope, NULL, &released, &r), BELAY_EINVAL);
    assert_int_equal(belay_resource_bind(scope, tally_drop, &released, NULL), BELAY_EINVAL);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_int_equal(belay_resource_bind(scope, tally_drop, &released, &r), BELAY_ESTALE);
    assert_int_equal(r.slot, 0);
    assert_int_equal(belay_resource_release((belay_registration){0}), BELAY_ESTALE);
    assert_int_equal(tally_read(&released), 0);
}

typedef struct order {
    char text[8];
    tally length;
} order;

static void release_r(void *value) {
    order *o = value;
    o->text[tally_add(&o->length) - 1] = 'r';
    EXPECT_STATUS(belay_join_until(NULL, (belay_task_handle){0}, 0, NULL), BELAY_ECONTEXT);
}
static belay_status call_d(belay_task *self, void *value) {
    order *o = value;
    (void)self;
    o->text[tally_add(&o->length) - 1] = 'd';
    return BELAY_OK;
}

static void
test_resources_and_deferred_calls_have_one_order_and_a_release_may_not_wait(void **state) {
    belay_scope scope = scope_make(executor_of(state), NULL);
    order o = {.text = ""};
    belay_registration r;
    assert_int_equal(belay_resource_bind(scope, release_r, &o, &r), BELAY_OK);
    assert_int_equal(belay_scope_defer(scope, call_d, &o), BELAY_OK);
    assert_int_equal(belay_scope_defer(scope, call_d, &o), BELAY_OK);
    assert_int_equal(belay_resource_bind(scope, release_r, &o, &r), BELAY_OK);
    assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
    assert_string_equal(o.text, "rddr");
}

enum { ROUNDS = 200, RIVALS = 3 };

typedef struct rivals {
    belay_registration r;
    tally go, won, released;
} rivals;

static belay_status release_as_rival(belay_task *self, void *arg) {
    rivals *v = arg;
    (void)self;
    belay_status status = belay_resource_release(v->r);
    EXPECT(status == BELAY_OK || status == BELAY_ESTALE);
    if (status == BELAY_OK) {
        (void)tally_add(&v->won);
    }
    return BELAY_OK;
}

static void test_of_several_releases_and_the_close_exactly_one_does_it(void **state) {
    belay_executor *ex = executor_of(state);
    for (int i = 0; i < ROUNDS; i++) {
        rivals v = {.go = {0}};
        belay_scope scope = scope_make(ex, NULL), others = scope_make(ex, NULL);
        assert_int_equal(belay_resource_bind(scope, tally_drop, &v.released, &v.r), BELAY_OK);
        for (int k = 0; k < RIVALS; k++) {
            assert_int_equal(belay_spawn(NULL, others, release_as_rival, &v, NULL, NULL), BELAY_OK);
        }
        assert_int_equal(belay_scope_close(NULL, scope), BELAY_OK);
        assert_int_equal(belay_scope_close(NULL, others), BELAY_OK);
        assert_true(tally_read(&v.won) <= 1);
        assert_int_equal(tally_read(&v.released), 1);
    }
}

/* A list of listeners that prunes itself: each lives as long as the scope of its subscriber. */
typedef struct listener {
    struct subject *subject;
    struct listener *next;
    tally heard;
} listener;
typedef struct subject {
    listener *first;
} subject;

static void unsubscribe(void *value) {
    listener *l = value, **at = &l->subject->first;
    while (*at != l) {
        at = &(*at)->next;
    }
    *at = l->next;
}

static void publish(subject *s) {
    for (listener *l = s->first; l != NULL; l = l->next) {
        (void)tally_add(&l->heard);
    }
}

static void test_a_subscription_ends_with_the_scope_of_its_listener(void **state) {
    belay_executor *ex = executor_of(state);
    subject s = {NULL};
    listener a = {&s, NULL, {0}}, b = {&s, &a, {0}};
    belay_scope of_a = scope_make(ex, NULL), of_b = scope_make(ex, NULL);
    belay_registration ra, rb;
    s.first = &b;
    assert_int_equal(belay_resource_bind(of_a, unsubscribe, &a, &ra), BELAY_OK);
    assert_int_equal(belay_resource_bind(of_b, unsubscribe, &b, &rb), BELAY_OK);
    publish(&s);
    assert_int_equal(belay_scope_close(NULL, of_b), BELAY_OK);
    publish(&s);
    assert_int_equal(belay_resource_release(ra), BELAY_OK);
    publish(&s);
    assert_true(s.first == NULL && tally_read(&a.heard) == 2 && tally_read(&b.heard) == 1);
    assert_int_equal(belay_scope_close(NULL, of_a), BELAY_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_one_released_by_hand_is_not_released_again_at_the_close),
        BOTH(test_one_that_is_left_is_released_by_the_close),
        BOTH(test_one_that_is_taken_back_is_the_callers),
        BOTH(test_a_refused_bind_leaves_the_value_with_the_caller),
        BOTH(test_resources_and_deferred_calls_have_one_order_and_a_release_may_not_wait),
        BOTH(test_of_several_releases_and_the_close_exactly_one_does_it),
        BOTH(test_a_subscription_ends_with_the_scope_of_its_listener),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
