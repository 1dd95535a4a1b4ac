/* Links between tokens: long chains, diamonds, several executors. The cancel of the first reaches all before it
 * returns, on a stack that does not grow with the way: the tests cancel from a task, whose stack is small. */
#include "api/cancels.h"

enum { LENGTH = 100000, SIDES = 50, LAYERS = 20 };

typedef struct links {
    belay_executor *ex;
    belay_source *made;
    size_t count;
    belay_cancel_level level;
    tally told;
} links;

static links links_make(belay_executor *ex, size_t room) {
    links l = {.ex = ex, .made = calloc(room, sizeof *l.made), .level = BELAY_HARD_CANCELED};
    assert_non_null(l.made);
    return l;
}

static belay_token add_link(links *l, belay_executor *ex, const belay_token *parents,
                            size_t count) {
    belay_source s = source_make(ex, parents, count);
    l->made[l->count++] = s;
    return belay_source_token(s);
}

/* Each calls at its cancel. */
static belay_token add_told(links *l, const belay_token *parents, size_t count) {
    belay_token token = add_link(l, l->ex, parents, count);
    assert_int_equal(belay_on_cancel(token, l->level, count_cancel, &l->told, NULL, NULL),
                     BELAY_OK);
    return token;
}

static void links_end(links *l) {
    for (size_t i = 0; i < l->count; i++) {
        assert_int_equal(belay_source_release(l->made[i]), BELAY_OK);
    }
    free(l->made);
}

static bool all_reached(const links *l) {
    for (size_t i = 0; i < l->count; i++) {
        if (level_of(belay_source_token(l->made[i])) != l->level) {
            return false;
        }
    }
    return true;
}

static belay_status cancel_first(belay_task *self, void *arg) {
    links *l = arg;
    (void)self;
    EXPECT_STATUS(belay_source_cancel(l->made[0], l->level, 91, "the first"), BELAY_OK);
    EXPECT(tally_read(&l->told) == l->count); /* before it has returned */
    EXPECT(all_reached(l));
    return BELAY_OK;
}

static void chain(void **state, belay_cancel_level level) {
    links l = links_make(executor_of(state), LENGTH);
    belay_token token = {0};
    l.level = level;
    for (size_t i = 0; i < LENGTH; i++) {
        token = add_told(&l, &token, 1);
    }
    run(l.ex, cancel_first, &l);
    links_end(&l);
}

static void test_the_first_of_a_hundred_thousand_cancels_all(void **state) {
    chain(state, BELAY_HARD_CANCELED);
}

static void test_the_first_of_a_hundred_thousand_asks_all_softly(void **state) {
    chain(state, BELAY_SOFT_CANCELED);
}

static void test_diamonds_call_each_once(void **state) {
    links l = links_make(executor_of(state), 1 + SIDES * LAYERS);
    belay_token above[SIDES], below[SIDES];
    above[0] = add_told(&l, NULL, 0);
    size_t wide = 1;
    for (int layer = 0; layer < LAYERS; layer++) {
        for (int i = 0; i < SIDES; i++) {
            below[i] = add_told(&l, above, wide);
        }
        wide = SIDES;
        memcpy(above, below, sizeof above);
    }
    run(l.ex, cancel_first, &l);
    links_end(&l);
}

static void test_a_chain_goes_to_and_fro_between_two_executors(void **state) {
    enum { FEW = 2000 };
    belay_config config = test_config(workers_of(state));
    belay_executor *ex[2] = {executor_make(&config), executor_make(&config)};
    links l = links_make(ex[0], FEW);
    belay_token token = {0};
    for (size_t i = 0; i < FEW; i++) {
        l.ex = ex[i % 2];
        token = add_told(&l, &token, 1);
    }
    run(ex[1], cancel_first, &l);
    links_end(&l);
    assert_true(executor_end(ex[0]));
    assert_true(executor_end(ex[1]));
}

/* ---- scopes on the way ------------------------------------------------------------------------------------------- */

typedef struct stage {
    belay_scope scope;
    belay_task_handle task;
} stage;

/* A soft cancel of the first, which asks the scopes in the middle; they opted in, and cancel the sources that follow
 * them hard. */
static void test_a_soft_cancel_turns_hard_on_the_way_and_wakes(void **state) {
    belay_executor *ex = executor_of(state);
    enum { STAGES = 200 };
    static stage stages[STAGES];
    belay_source first = source_make(ex, NULL, 0);
    belay_token token = belay_source_token(first);
    tally woken = {0};
    for (int i = 0; i < STAGES; i++) {
        belay_scope_options options = {.token = token, .flags = BELAY_SCOPE_SOFT};
        stages[i].scope = scope_make(ex, &options);
        stages[i].task = spawn_into(stages[i].scope, body_until_hard, &woken);
        token = belay_scope_token(stages[i].scope);
    }
    assert_int_equal(belay_source_cancel(first, BELAY_SOFT_CANCELED, 92, NULL), BELAY_OK);
    assert_int_equal(level_of(belay_source_token(first)), BELAY_SOFT_CANCELED);
    for (int i = 0; i < STAGES; i++) {
        assert_int_equal(level_of(belay_scope_token(stages[i].scope)), BELAY_HARD_CANCELED);
        belay_outcome_kind kind = join_outside(stages[i].task).kind;
        assert_true(kind == BELAY_OUTCOME_CANCELED || kind == BELAY_OUTCOME_SKIPPED);
        assert_int_equal(belay_scope_close(NULL, stages[i].scope), BELAY_ECANCELED);
    }
    assert_int_equal(belay_source_release(first), BELAY_OK);
}

/* A callback in the middle takes away what is marked and not yet told: it stays until it was. */
static void release_rest(const belay_cancel_reason *reason, void *arg) {
    links *l = arg;
    (void)reason;
    while (l->count > 1) {
        EXPECT_STATUS(belay_source_release(l->made[--l->count]), BELAY_OK);
    }
}

static void test_a_callback_may_release_all_that_follows(void **state) {
    links l = links_make(executor_of(state), 1 + SIDES);
    belay_token first = add_link(&l, l.ex, NULL, 0);
    for (int i = 0; i < SIDES; i++) {
        (void)add_told(&l, &first, 1);
    }
    assert_int_equal(belay_on_cancel(first, BELAY_HARD_CANCELED, release_rest, &l, NULL, NULL),
                     BELAY_OK);
    assert_int_equal(belay_source_cancel(l.made[0], BELAY_HARD_CANCELED, 93, NULL), BELAY_OK);
    assert_int_equal(tally_read(&l.told), SIDES); /* they were linked before the callback came */
    links_end(&l);
}

/* One that is made inside a callback, of the very token that is being cancelled, is cancelled from the start. */
static void make_follower(const belay_cancel_reason *reason, void *arg) {
    links *l = arg;
    (void)reason;
    belay_token first = belay_source_token(l->made[0]);
    EXPECT_STATUS(belay_source_create(l->ex, &first, 1, &l->made[1]), BELAY_OK);
    l->count = 2;
    EXPECT(level_of(belay_source_token(l->made[1])) == BELAY_HARD_CANCELED);
}

static void
test_a_source_made_in_a_callback_of_its_parent_is_canceled_from_the_start(void **state) {
    links l = links_make(executor_of(state), 2);
    belay_token first = add_link(&l, l.ex, NULL, 0);
    assert_int_equal(belay_on_cancel(first, BELAY_HARD_CANCELED, make_follower, &l, NULL, NULL),
                     BELAY_OK);
    assert_int_equal(belay_source_cancel(l.made[0], BELAY_HARD_CANCELED, 94, NULL), BELAY_OK);
    assert_int_equal(l.count, 2);
    links_end(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_the_first_of_a_hundred_thousand_cancels_all),
        BOTH(test_the_first_of_a_hundred_thousand_asks_all_softly),
        BOTH(test_diamonds_call_each_once),
        BOTH_BARE(test_a_chain_goes_to_and_fro_between_two_executors),
        BOTH(test_a_soft_cancel_turns_hard_on_the_way_and_wakes),
        BOTH(test_a_callback_may_release_all_that_follows),
        BOTH(test_a_source_made_in_a_callback_of_its_parent_is_canceled_from_the_start),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
