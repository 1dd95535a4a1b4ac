/* Sources: cancellation without a scope, any-of, in trees. */
#include "api/cancels.h"

enum { MANY = 10000, FEW = 1000 };

static belay_token token_of(belay_source s) {
    return belay_source_token(s);
}

static void test_a_source_cancels_its_token_once_at_each_level(void **state) {
    belay_source s = source_make(executor_of(state), NULL, 0);
    belay_cancel_reason reason;
    assert_int_equal(level_of(token_of(s)), BELAY_NOT_CANCELED);
    assert_int_equal(belay_source_cancel(s, BELAY_NOT_CANCELED, 1, NULL), BELAY_EINVAL);
    assert_int_equal(belay_source_cancel(s, BELAY_SOFT_CANCELED, 121, "soft"), BELAY_OK);
    assert_int_equal(belay_source_cancel(s, BELAY_SOFT_CANCELED, 122, NULL), BELAY_EALREADY);
    assert_int_equal(level_of(token_of(s)), BELAY_SOFT_CANCELED);
    assert_int_equal(belay_source_cancel(s, BELAY_HARD_CANCELED, 123, "hard"), BELAY_OK);
    assert_int_equal(belay_source_cancel(s, BELAY_HARD_CANCELED, 124, NULL), BELAY_EALREADY);
    assert_int_equal(belay_token_reason(token_of(s), &reason), BELAY_OK);
    assert_true(reason.code == 123 && strcmp(reason.text, "hard") == 0);
    assert_int_equal(belay_source_release(s), BELAY_OK);
}

static void test_any_parent_cancels_a_source(void **state) {
    belay_executor *ex = executor_of(state);
    for (size_t which = 0; which < 3; which++) {
        belay_source parents[3];
        belay_token tokens[3];
        for (int i = 0; i < 3; i++) {
            parents[i] = source_make(ex, NULL, 0);
            tokens[i] = token_of(parents[i]);
        }
        belay_source child = source_make(ex, tokens, 3);
        assert_int_equal(belay_source_cancel(parents[which], BELAY_HARD_CANCELED, 125, NULL),
                         BELAY_OK);
        assert_int_equal(level_of(token_of(child)), BELAY_HARD_CANCELED);
        assert_int_equal(level_of(token_of(parents[(which + 1) % 3])), BELAY_NOT_CANCELED);
        assert_int_equal(belay_source_release(child), BELAY_OK);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(belay_source_release(parents[i]), BELAY_OK);
        }
    }
}

static void test_a_child_does_not_cancel_its_parent_or_its_siblings(void **state) {
    belay_executor *ex = executor_of(state);
    belay_source parent = source_make(ex, NULL, 0);
    belay_token token = token_of(parent);
    belay_source a = source_make(ex, &token, 1), b = source_make(ex, &token, 1);
    assert_int_equal(belay_source_cancel(a, BELAY_HARD_CANCELED, 126, NULL), BELAY_OK);
    assert_int_equal(level_of(token), BELAY_NOT_CANCELED);
    assert_int_equal(level_of(token_of(b)), BELAY_NOT_CANCELED);
    assert_int_equal(belay_source_cancel(parent, BELAY_HARD_CANCELED, 127, NULL), BELAY_OK);
    belay_cancel_reason reason;
    assert_int_equal(belay_token_reason(token_of(a), &reason), BELAY_OK);
    assert_int_equal(reason.code, 126); /* the first wins */
    assert_int_equal(belay_token_reason(token_of(b), &reason), BELAY_OK);
    assert_int_equal(reason.code, 127);
    assert_int_equal(belay_source_release(a), BELAY_OK);
    assert_int_equal(belay_source_release(b), BELAY_OK);
    assert_int_equal(belay_source_release(parent), BELAY_OK);
}

static void test_cancels_travel_down_a_chain_at_both_levels(void **state) {
    belay_executor *ex = executor_of(state);
    belay_source chain[8];
    for (int i = 0; i < 8; i++) {
        belay_token above = i > 0 ? token_of(chain[i - 1]) : (belay_token){0};
        chain[i] = source_make(ex, &above, 1);
    }
    assert_int_equal(belay_source_cancel(chain[0], BELAY_SOFT_CANCELED, 128, NULL), BELAY_OK);
    assert_int_equal(level_of(token_of(chain[7])), BELAY_SOFT_CANCELED);
    assert_int_equal(belay_source_cancel(chain[0], BELAY_HARD_CANCELED, 129, NULL), BELAY_OK);
    for (int i = 0; i < 8; i++) {
        belay_cancel_reason reason;
        assert_int_equal(level_of(token_of(chain[i])), BELAY_HARD_CANCELED);
        assert_int_equal(belay_token_reason(token_of(chain[i]), &reason), BELAY_OK);
        assert_int_equal(reason.code, 129);
        assert_int_equal(reason.origin.slot, chain[0].slot);
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(belay_source_release(chain[i]), BELAY_OK);
    }
}

static void test_a_parent_that_is_canceled_already_cancels_from_the_start(void **state) {
    belay_executor *ex = executor_of(state);
    belay_source parents[2] = {source_make(ex, NULL, 0), source_make(ex, NULL, 0)};
    assert_int_equal(belay_source_cancel(parents[0], BELAY_SOFT_CANCELED, 130, NULL), BELAY_OK);
    assert_int_equal(belay_source_cancel(parents[1], BELAY_HARD_CANCELED, 131, NULL), BELAY_OK);
    belay_token tokens[2] = {token_of(parents[0]), token_of(parents[1])};
    belay_source soft = source_make(ex, tokens, 1), both = source_make(ex, tokens, 2);
    assert_int_equal(level_of(token_of(soft)), BELAY_SOFT_CANCELED);
    assert_int_equal(level_of(token_of(both)), BELAY_HARD_CANCELED);
    belay_source all[4] = {parents[0], parents[1], soft, both};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(belay_source_release(all[i]), BELAY_OK);
    }
}

static void test_a_stale_parent_never_cancels_and_a_released_one_goes_quietly(void **state) {
    belay_executor *ex = executor_of(state);
    belay_source parent = source_make(ex, NULL, 0);
    belay_token token = token_of(parent);
    belay_source child = source_make(ex, &token, 1);
    assert_int_equal(belay_source_release(parent), BELAY_OK);
    assert_int_equal(belay_source_cancel(parent, BELAY_HARD_CANCELED, 132, NULL), BELAY_ESTALE);
    belay_source late = source_make(ex, &token, 1);
    assert_int_equal(level_of(token_of(child)), BELAY_NOT_CANCELED);
    assert_int_equal(level_of(token_of(late)), BELAY_NOT_CANCELED);
    assert_int_equal(belay_source_release(child), BELAY_OK);
    assert_int_equal(belay_source_release(late), BELAY_OK);
}

static void test_references_are_counted_and_the_last_takes_the_token_away(void **state) {
    belay_source s = source_make(executor_of(state), NULL, 0);
    tally called = {0}, dropped = {0};
    belay_cancel_level level;
    assert_int_equal(
        belay_on_cancel(token_of(s), BELAY_HARD_CANCELED, count_cancel, &called, NULL, NULL),
        BELAY_OK);
    assert_int_equal(
        belay_on_cancel(token_of(s), BELAY_HARD_CANCELED, count_cancel, &dropped, tally_drop, NULL),
        BELAY_OK);
    assert_int_equal(belay_source_retain(s), BELAY_OK);
    assert_int_equal(belay_source_release(s), BELAY_OK);
    assert_int_equal(level_of(token_of(s)), BELAY_NOT_CANCELED);
    assert_int_equal(belay_source_release(s), BELAY_OK);
    assert_int_equal(belay_token_level(token_of(s), &level), BELAY_ESTALE);
    assert_int_equal(belay_source_retain(s), BELAY_ESTALE);
    assert_int_equal(belay_source_release(s), BELAY_ESTALE);
    assert_true(tally_read(&called) == 0 && tally_read(&dropped) == 1);
}

static void test_bad_arguments_are_einval(void **state) {
    belay_executor *ex = executor_of(state);
    belay_source s = {.slot = 5};
    assert_int_equal(belay_source_create(NULL, NULL, 0, &s), BELAY_EINVAL);
    assert_int_equal(s.slot, 0);
    assert_int_equal(belay_source_create(ex, NULL, 1, &s), BELAY_EINVAL);
    assert_int_equal(belay_source_create(ex, NULL, 0, NULL), BELAY_EINVAL);
    assert_int_equal(belay_source_retain((belay_source){0}), BELAY_ESTALE);
    assert_int_equal(belay_source_release((belay_source){0}), BELAY_ESTALE);
}

static void test_a_long_lived_parent_does_not_collect_its_children(void **state) {
    belay_executor *ex = executor_of(state);
    belay_source parent = source_make(ex, NULL, 0);
    belay_token token = token_of(parent);
    belay_registration r;
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(belay_source_release(source_make(ex, &token, 1)), BELAY_OK);
    }
    assert_int_equal(belay_on_cancel(token, BELAY_HARD_CANCELED, count_cancel, NULL, NULL, &r),
                     BELAY_OK);
    assert_true(r.slot <= FEW);
    assert_int_equal(belay_on_cancel_remove(NULL, r), BELAY_OK);
    assert_int_equal(belay_source_release(parent), BELAY_OK);
}

static void release_it(const belay_cancel_reason *reason, void *arg) {
    (void)reason;
    EXPECT_STATUS(belay_source_release(*(belay_source *)arg), BELAY_OK);
}

static void test_a_source_may_be_released_by_a_callback_of_its_own(void **state) {
    belay_source s = source_make(executor_of(state), NULL, 0);
    assert_int_equal(belay_on_cancel(token_of(s), BELAY_HARD_CANCELED, release_it, &s, NULL, NULL),
                     BELAY_OK);
    assert_int_equal(belay_source_cancel(s, BELAY_HARD_CANCELED, 133, NULL), BELAY_OK);
    assert_int_equal(belay_source_release(s), BELAY_ESTALE);
}

static belay_status wait_for_source(belay_task *self, void *arg) {
    return belay_token_wait_until(self, *(belay_token *)arg, BELAY_HARD_CANCELED, BELAY_NEVER);
}

static void test_a_wait_for_a_source_ends_with_its_last_reference(void **state) {
    belay_executor *ex = executor_of(state);
    belay_source s = source_make(ex, NULL, 0);
    belay_token token = token_of(s);
    belay_task_handle task = spawn_outside(ex, wait_for_source, &token);
    await_waiting(ex, "a cancel token", 1);
    assert_int_equal(belay_source_release(s), BELAY_OK);
    assert_int_equal(join_outside(task).status, BELAY_ESTALE);
}

static void test_a_source_that_nobody_releases_is_named_at_shutdown(void **state) {
    belay_config config = test_config(workers_of(state));
    belay_executor *ex = executor_make(&config);
    tally dropped = {0};
    belay_source s = source_make(ex, NULL, 0);
    assert_int_equal(
        belay_on_cancel(token_of(s), BELAY_HARD_CANCELED, count_cancel, &dropped, tally_drop, NULL),
        BELAY_OK);
    assert_true(executor_end(ex));
    assert_true(log_holds("source"));
    assert_int_equal(tally_read(&dropped), 2); /* cancelled with the root, then dropped */
    assert_int_equal(belay_source_release(s), BELAY_ESTALE);
}

/* ---- without memory ---------------------------------------------------------------------------------------------- */

static tally budget_left, held;

static void *allocate(size_t size, size_t alignment, void *arg) {
    (void)arg;
    if (tally_read(&budget_left) == 0) {
        return NULL;
    }
    tally_set(&budget_left, tally_read(&budget_left) - 1);
    void *p = NULL;
    if (posix_memalign(&p, alignment < sizeof p ? sizeof p : alignment, size) != 0) {
        return NULL;
    }
    (void)tally_add(&held);
    return p;
}

static void release(void *p, size_t size, size_t alignment, void *arg) {
    (void)size;
    (void)alignment;
    (void)arg;
    if (p != NULL) {
        (void)__atomic_sub_fetch(&held.value, 1, __ATOMIC_ACQ_REL);
    }
    free(p);
}

static void test_a_create_without_memory_is_enomem_and_leaves_nothing_behind(void **state) {
    belay_config config = test_config(workers_of(state));
    config.allocate = allocate;
    config.release = release;
    tally_set(&budget_left, UINT32_MAX);
    tally_set(&held, 0);
    belay_executor *ex = executor_make(&config);
    belay_source parent = source_make(ex, NULL, 0), s;
    belay_token tokens[2] = {token_of(parent), token_of(parent)};
    uint64_t before = tally_read(&held);
    for (uint64_t allowed = 0;; allowed++) {
        tally_set(&budget_left, allowed);
        belay_status status = belay_source_create(ex, tokens, 2, &s);
        tally_set(&budget_left, UINT32_MAX);
        if (status == BELAY_OK) {
            assert_true(allowed > 0);
            break;
        }
        assert_int_equal(status, BELAY_ENOMEM);
        assert_int_equal(s.generation, 0);
        assert_int_equal(tally_read(&held), before);
    }
    assert_int_equal(belay_source_release(s), BELAY_OK);
    assert_int_equal(tally_read(&held), before);
    assert_int_equal(belay_source_release(parent), BELAY_OK);
    assert_true(executor_end(ex));
    assert_int_equal(tally_read(&held), 0);
}

static void test_beyond_max_scopes_a_create_is_enomem_and_links_nothing(void **state) {
    belay_config config = test_config(workers_of(state));
    config.max_scopes = 64;
    belay_executor *ex = executor_make(&config);
    static belay_source made[4096];
    size_t count = 0;
    belay_source parent = source_make(ex, NULL, 0);
    belay_token token = token_of(parent);
    belay_status status;
    do {
        status = belay_source_create(ex, &token, 1, &made[count]);
        count += status == BELAY_OK;
    } while (status == BELAY_OK && count < 4095);
    assert_int_equal(status, BELAY_ENOMEM);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(belay_source_create(ex, &token, 1, &made[count]), BELAY_ENOMEM);
    }
    belay_registration r;
    assert_int_equal(belay_on_cancel(token, BELAY_HARD_CANCELED, count_cancel, NULL, NULL, &r),
                     BELAY_OK);
    assert_true(r.slot <= 2 * count + FEW);
    assert_int_equal(belay_on_cancel_forget(r), BELAY_OK);
    while (count-- > 0) {
        assert_int_equal(belay_source_release(made[count]), BELAY_OK);
    }
    assert_int_equal(belay_source_release(parent), BELAY_OK);
    assert_true(executor_end(ex));
}

/* They share their slots with scopes. */
static void test_a_source_in_an_owners_place_calls_nothing_at_its_end(void **state) {
    belay_executor *ex = executor_of(state);
    tally drained = {0};
    const belay_owner_options options = {.drained = tally_drop, .arg = &drained};
    for (uint64_t round = 1; round <= 100; round++) {
        belay_owner owner;
        belay_source source;
        assert_int_equal(belay_owner_create(ex, &options, &owner), BELAY_OK);
        assert_int_equal(belay_owner_release(owner), BELAY_OK);
        assert_int_equal(belay_source_create(ex, NULL, 0, &source), BELAY_OK);
        assert_int_equal(belay_source_release(source), BELAY_OK);
        assert_int_equal(tally_read(&drained), round);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_a_source_in_an_owners_place_calls_nothing_at_its_end),
        BOTH(test_a_source_cancels_its_token_once_at_each_level),
        BOTH(test_any_parent_cancels_a_source),
        BOTH(test_a_child_does_not_cancel_its_parent_or_its_siblings),
        BOTH(test_cancels_travel_down_a_chain_at_both_levels),
        BOTH(test_a_parent_that_is_canceled_already_cancels_from_the_start),
        BOTH(test_a_stale_parent_never_cancels_and_a_released_one_goes_quietly),
        BOTH(test_references_are_counted_and_the_last_takes_the_token_away),
        BOTH(test_bad_arguments_are_einval),
        BOTH(test_a_long_lived_parent_does_not_collect_its_children),
        BOTH(test_a_source_may_be_released_by_a_callback_of_its_own),
        BOTH(test_a_wait_for_a_source_ends_with_its_last_reference),
        BOTH_BARE(test_a_source_that_nobody_releases_is_named_at_shutdown),
        BOTH_BARE(test_a_create_without_memory_is_enomem_and_leaves_nothing_behind),
        BOTH_BARE(test_beyond_max_scopes_a_create_is_enomem_and_links_nothing),
    };
    watchdog_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
