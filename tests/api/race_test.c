/* Race, first success, quorum. */
#include "api/support.h"

enum { RUNNERS = 5 };

typedef struct course {
    belay_executor *ex;
    tally started, ended, arg_drops, result_drops;
    belay_task_handle gate;
} course;

typedef struct runner {
    course *course;
    belay_status code; /* what the body returns */
    bool waits;        /* until it is cancelled */
    bool result;
} runner;

static void drop_runner(void *arg) {
    (void)tally_add(&((runner *)arg)->course->arg_drops);
}

static void drop_result(void *value) {
    (void)tally_add(&((course *)value)->result_drops);
}

static belay_status race_body(belay_task *self, void *arg) {
    runner *r = arg;
    belay_status status = r->code;
    (void)tally_add(&r->course->started);
    if (r->result) {
        EXPECT_STATUS(belay_set_result(self, r->course, drop_result), BELAY_OK);
    }
    if (r->waits) {
        status = belay_sleep_until(self, BELAY_NEVER);
    }
    (void)tally_add(&r->course->ended);
    return status;
}

static void line_up(course *c, runner *runners, belay_entry *entries, int n) {
    for (int i = 0; i < n; i++) {
        runners[i].course = c;
        entries[i] = (belay_entry){race_body, &runners[i], drop_runner, "runner"};
    }
}

static belay_status first_wins(belay_task *self, void *arg) {
    course *c = arg;
    runner runners[RUNNERS] = {{0}};
    belay_entry entries[RUNNERS];
    belay_outcome outcome;
    size_t winner = 99;
    line_up(c, runners, entries, RUNNERS);
    for (int i = 0; i < RUNNERS; i++) {
        runners[i].waits = i != 3;
        runners[i].result = true;
    }
    EXPECT_STATUS(belay_race(self, entries, RUNNERS, &winner, &outcome), BELAY_OK);
    EXPECT(winner == 3 && outcome.kind == BELAY_OUTCOME_VALUE && outcome.result == c);
    EXPECT(tally_read(&c->arg_drops) == RUNNERS);
    EXPECT(tally_read(&c->started) == tally_read(&c->ended));
    EXPECT(tally_read(&c->result_drops) == tally_read(&c->started) - 1);
    EXPECT(!belay_canceled(self));
    return BELAY_OK;
}

static void test_the_first_wins_and_the_others_are_cancelled_joined_and_dropped(void **state) {
    course c = {.ex = executor_of(state)};
    run(c.ex, first_wins, &c);
}

static belay_status error_wins(belay_task *self, void *arg) {
    course *c = arg;
    runner runners[2] = {{.waits = true}, {.code = 19}};
    belay_entry entries[2];
    belay_outcome outcome;
    size_t winner = 99;
    line_up(c, runners, entries, 2);
    EXPECT_STATUS(belay_race(self, entries, 2, &winner, &outcome), BELAY_OK);
    EXPECT(winner == 1 && outcome.kind == BELAY_OUTCOME_ERROR && outcome.status == 19);
    return BELAY_OK;
}

static void test_a_failure_can_win_a_race(void **state) {
    course c = {.ex = executor_of(state)};
    run(c.ex, error_wins, &c);
}

static belay_status success_after_errors(belay_task *self, void *arg) {
    course *c = arg;
    runner runners[4] = {{.code = 1}, {.code = 2}, {.result = true}, {.waits = true}};
    belay_entry entries[4];
    belay_outcome outcome;
    size_t winner = 99;
    line_up(c, runners, entries, 4);
    EXPECT_STATUS(belay_first_success(self, entries, 4, &winner, &outcome), BELAY_OK);
    EXPECT(winner == 2 && outcome.result == c && outcome.result_drop == drop_result);
    EXPECT(tally_read(&c->result_drops) == 0);
    return BELAY_OK;
}

static void test_first_success_passes_over_errors(void **state) {
    course c = {.ex = executor_of(state)};
    run(c.ex, success_after_errors, &c);
}

static belay_status no_success(belay_task *self, void *arg) {
    course *c = arg;
    runner runners[3] = {{.code = 7}, {.code = 7, .result = true}, {.code = 7}};
    belay_entry entries[3];
    belay_outcome outcome;
    size_t winner = 99;
    line_up(c, runners, entries, 3);
    EXPECT_STATUS(belay_first_success(self, entries, 3, &winner, &outcome), BELAY_ENOENT);
    EXPECT(winner < 3 && outcome.kind == BELAY_OUTCOME_ERROR && outcome.status == 7);
    EXPECT(!outcome.has_result && tally_read(&c->result_drops) == 1);
    return BELAY_OK;
}

static void test_without_a_success_the_first_failure_is_told(void **state) {
    course c = {.ex = executor_of(state)};
    run(c.ex, no_success, &c);
}

static belay_status enough(belay_task *self, void *arg) {
    course *c = arg;
    runner runners[RUNNERS] = {
        {.code = 3}, {.result = true}, {.waits = true}, {.result = true}, {.waits = true}};
    belay_entry entries[RUNNERS];
    belay_outcome outcomes[2];
    size_t winners[2] = {99, 99}, got = 99;
    line_up(c, runners, entries, RUNNERS);
    EXPECT_STATUS(belay_quorum(self, entries, RUNNERS, 2, winners, outcomes, &got), BELAY_OK);
    EXPECT(got == 2 && winners[0] + winners[1] == 4 && winners[0] != winners[1]);
    EXPECT(outcomes[0].result == c && outcomes[1].result == c);
    EXPECT(tally_read(&c->result_drops) == 0 && tally_read(&c->arg_drops) == RUNNERS);
    return BELAY_OK;
}

static void test_a_quorum_takes_as_many_as_needed(void **state) {
    course c = {.ex = executor_of(state)};
    run(c.ex, enough, &c);
}

static belay_status not_enough(belay_task *self, void *arg) {
    course *c = arg;
    runner runners[RUNNERS] = {
        {.code = 3}, {.code = 4}, {.code = 5}, {.waits = true}, {.waits = true}};
    belay_entry entries[RUNNERS];
    size_t got = 99;
    line_up(c, runners, entries, RUNNERS);
    EXPECT_STATUS(belay_quorum(self, entries, RUNNERS, 3, NULL, NULL, &got), BELAY_ENOENT);
    EXPECT(got == 0 && tally_read(&c->arg_drops) == RUNNERS);
    return BELAY_OK;
}

static void test_a_quorum_that_cannot_be_reached_is_given_up_at_once(void **state) {
    course c = {.ex = executor_of(state)};
    run(c.ex, not_enough, &c);
}

static belay_status unwanted_results(belay_task *self, void *arg) {
    course *c = arg;
    runner runners[2] = {{.result = true}, {.result = true}};
    belay_entry entries[2];
    line_up(c, runners, entries, 2);
    EXPECT_STATUS(belay_quorum(self, entries, 2, 2, NULL, NULL, NULL), BELAY_OK);
    EXPECT(tally_read(&c->result_drops) == 2);
    EXPECT_STATUS(belay_race(self, entries, 1, NULL, NULL), BELAY_OK);
    EXPECT(tally_read(&c->result_drops) == 3);
    return BELAY_OK;
}

static void test_results_that_nobody_wants_are_dropped(void **state) {
    course c = {.ex = executor_of(state)};
    run(c.ex, unwanted_results, &c);
}

static belay_status mistakes(belay_task *self, void *arg) {
    course *c = arg;
    runner runners[2] = {{0}};
    belay_entry entries[2];
    line_up(c, runners, entries, 2);
    entries[1].body = NULL;
    EXPECT_STATUS(belay_race(self, entries, 2, NULL, NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_race(self, entries, 0, NULL, NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_race(self, NULL, 2, NULL, NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_race(NULL, entries, 1, NULL, NULL), BELAY_ECONTEXT);
    EXPECT_STATUS(belay_quorum(self, entries, 1, 0, NULL, NULL, NULL), BELAY_EINVAL);
    EXPECT_STATUS(belay_quorum(self, entries, 1, 2, NULL, NULL, NULL), BELAY_EINVAL);
    EXPECT(tally_read(&c->arg_drops) == 0 && tally_read(&c->started) == 0);
    return BELAY_OK;
}

static void test_mistakes_start_nothing_and_leave_the_arguments(void **state) {
    course c = {.ex = executor_of(state)};
    run(c.ex, mistakes, &c);
    runner r = {.course = &c};
    belay_entry entry = {race_body, &r, drop_runner, NULL};
    assert_int_equal(belay_race(NULL, &entry, 1, NULL, NULL), BELAY_ECONTEXT);
}

static belay_status race_without_end(belay_task *self, void *arg) {
    course *c = arg;
    runner runners[3] = {{.waits = true}, {.waits = true}, {.waits = true}};
    belay_entry entries[3];
    size_t winner = 99;
    line_up(c, runners, entries, 3);
    EXPECT_STATUS(belay_race(self, entries, 3, &winner, NULL), BELAY_ECANCELED);
    EXPECT(tally_read(&c->ended) == tally_read(&c->started));
    EXPECT(tally_read(&c->arg_drops) == 3 && winner == 99);
    return BELAY_ECANCELED;
}

static void test_a_cancelled_caller_takes_its_runners_with_it(void **state) {
    course c = {.ex = executor_of(state)};
    belay_task_handle task = spawn_outside(c.ex, race_without_end, &c);
    await_waiting(c.ex, "sleep", 3);
    assert_int_equal(belay_task_cancel(task, 1, NULL), BELAY_OK);
    assert_int_equal(join_outside(task).kind, BELAY_OUTCOME_CANCELED);
}

static belay_status race_within_race(belay_task *self, void *arg) {
    course *c = ((runner *)arg)->course;
    runner runners[2] = {{.waits = true}, {.result = true}};
    belay_entry entries[2];
    belay_outcome outcome;
    line_up(c, runners, entries, 2);
    EXPECT_STATUS(belay_first_success(self, entries, 2, NULL, &outcome), BELAY_OK);
    return belay_set_result(self, outcome.result, outcome.result_drop);
}

static belay_status nested(belay_task *self, void *arg) {
    course *c = arg;
    runner outer[2] = {{.course = c}, {.course = c, .waits = true}};
    belay_entry entries[2] = {{race_within_race, &outer[0], NULL, NULL},
                              {race_body, &outer[1], NULL, NULL}};
    belay_outcome outcome;
    size_t winner = 99;
    EXPECT_STATUS(belay_race(self, entries, 2, &winner, &outcome), BELAY_OK);
    EXPECT(winner == 0 && outcome.result == c);
    EXPECT(tally_read(&c->result_drops) == 0);
    return BELAY_OK;
}

static void test_races_nest(void **state) {
    course c = {.ex = executor_of(state)};
    run(c.ex, nested, &c);
}

/* The last entries cannot be spawned; the others never end by themselves, but a cancel ends them: the race is won by
 * the first that could not begin. */
static belay_status crowded_race(belay_task *self, void *arg) {
    course *c = arg;
    enum { CROWD = 5000 };
    static runner runners[CROWD];
    static belay_entry entries[CROWD];
    belay_outcome outcome = {0};
    size_t winner = 9999;
    memset(runners, 0, sizeof runners);
    line_up(c, runners, entries, CROWD);
    for (int i = 0; i < CROWD; i++) {
        runners[i].waits = true;
    }
    EXPECT_STATUS(belay_race(self, entries, CROWD, &winner, &outcome), BELAY_OK);
    EXPECT(outcome.kind == BELAY_OUTCOME_ERROR && outcome.status == BELAY_ENOMEM);
    EXPECT(winner >= 16 && winner < CROWD);
    EXPECT(tally_read(&c->arg_drops) == CROWD);
    return BELAY_OK;
}

static void test_an_entry_without_memory_counts_as_failed(void **state) {
    belay_config config = test_config(workers_of(state));
    config.max_tasks = 16;
    belay_executor *ex = executor_make(&config);
    course c = {.ex = ex};
    run(ex, crowded_race, &c);
    assert_true(executor_end(ex));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(test_the_first_wins_and_the_others_are_cancelled_joined_and_dropped),
        BOTH(test_a_failure_can_win_a_race),
        BOTH(test_first_success_passes_over_errors),
        BOTH(test_without_a_success_the_first_failure_is_told),
        BOTH(test_a_quorum_takes_as_many_as_needed),
        BOTH(test_a_quorum_that_cannot_be_reached_is_given_up_at_once),
        BOTH(test_results_that_nobody_wants_are_dropped),
        BOTH(test_mistakes_start_nothing_and_leave_the_arguments),
        BOTH(test_a_cancelled_caller_takes_its_runners_with_it),
        BOTH(test_races_nest),
        BOTH_BARE(test_an_entry_without_memory_counts_as_failed),
    };
    watchdog_start();
    return cmocka_run_group_tests_name("api/race", tests, NULL, NULL);
}
