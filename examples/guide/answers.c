/* Several ways to the same end. */
#include "guide.h"

typedef struct mirror {
    int number;
    belay_status fails_with; /* BELAY_OK: it answers */
    bool silent;
} mirror;

static belay_status fetch(belay_task *self, void *arg) {
    mirror *m = arg;
    belay_status status = m->silent ? belay_sleep_until(self, BELAY_NEVER) : m->fails_with;
    return status == BELAY_OK ? belay_set_result(self, &m->number, NULL) : status;
}

/* guide: race */
static belay_status fetch_from_any(belay_task *self, mirror mirrors[3], int *answer) {
    belay_entry entries[] = {
        {.body = fetch, .arg = &mirrors[0]},
        {.body = fetch, .arg = &mirrors[1]},
        {.body = fetch, .arg = &mirrors[2]},
    };
    size_t winner;
    belay_outcome outcome;
    belay_status status = belay_first_success(self, entries, 3, &winner, &outcome);
    if (status == BELAY_OK) {
        *answer = *(int *)outcome.result; /* the others have been cancelled, and have ended */
    }
    return status == BELAY_ENOENT ? outcome.status : status; /* none: the first failure */
}
/* end */

static void check_first_success(belay_task *self) {
    int answer = 0;
    mirror mirrors[] = {{1, 7, false}, {2, BELAY_OK, true}, {3, BELAY_OK, false}};
    CHECK_STATUS(fetch_from_any(self, mirrors, &answer), BELAY_OK);
    CHECK(answer == 3);
    mirror broken[] = {{1, 7, false}, {2, 7, false}, {3, 7, false}};
    CHECK_STATUS(fetch_from_any(self, broken, &answer), 7);
}

/* guide: quorum */
static belay_status ask_majority(belay_task *self, mirror mirrors[3], int answers[2]) {
    belay_entry entries[] = {
        {.body = fetch, .arg = &mirrors[0]},
        {.body = fetch, .arg = &mirrors[1]},
        {.body = fetch, .arg = &mirrors[2]},
    };
    belay_outcome outcomes[2];
    belay_status status = belay_quorum(self, entries, 3, 2, NULL, outcomes, NULL);
    for (int i = 0; status == BELAY_OK && i < 2; i++) {
        answers[i] = *(int *)outcomes[i].result;
    }
    return status; /* BELAY_ENOENT: too many have failed */
}
/* end */

static void check_quorum(belay_task *self) {
    int answers[2] = {0};
    mirror mirrors[] = {{1, BELAY_OK, false}, {2, BELAY_OK, true}, {3, BELAY_OK, false}};
    CHECK_STATUS(ask_majority(self, mirrors, answers), BELAY_OK);
    CHECK(answers[0] + answers[1] == 4);
    mirror broken[] = {{1, 7, false}, {2, BELAY_OK, true}, {3, 7, false}};
    CHECK_STATUS(ask_majority(self, broken, answers), BELAY_ENOENT);
}

belay_status guide_answers(belay_task *self, void *arg) {
    (void)arg;
    check_first_success(self);
    check_quorum(self);
    return BELAY_OK;
}
