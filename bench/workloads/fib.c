/* fib: nothing but forks and syncs, in the typed and in the generic form. */
#include "belay.h"

#include "common/work.h"

enum { TYPED_N = 38, GENERIC_N = 34 };

static int64_t fib(belay_task *self, int64_t n);
BELAY_FORKABLE(fib, int64_t, int64_t)

static int64_t fib(belay_task *self, int64_t n) {
    if (n < 2) {
        return n;
    }
    fib_fork(self, n - 1);
    int64_t second = fib(self, n - 2);
    return fib_sync(self) + second;
}

static belay_status typed_body(belay_task *self, void *arg) {
    int64_t *answer = arg;
    *answer = fib(self, TYPED_N);
    return BELAY_OK;
}

/* Argument and result of one call of the generic form. */
typedef struct fib_call {
    int64_t n;
    int64_t result;
} fib_call;

static belay_status generic_fib(belay_task *self, void *arg) {
    fib_call *call = arg;
    if (call->n < 2) {
        call->result = call->n;
        return BELAY_OK;
    }
    fib_call first = {call->n - 1, 0};
    fib_call second = {call->n - 2, 0};
    belay_status forked = belay_fork(self, generic_fib, &first);
    if (forked != BELAY_OK) {
        return forked;
    }
    belay_status status = generic_fib(self, &second);
    belay_status synced = belay_sync(self);
    call->result = first.result + second.result;
    return status != BELAY_OK ? status : synced;
}

void rep_fib(bench_run *run) {
    int64_t answer = 0;
    double start = bench_seconds();
    run_in_task(typed_body, &answer);
    run->value[0] = (bench_seconds() - start) * 1e9 / fib_forks(TYPED_N);
    bench_require(answer == fib_answer(TYPED_N), "fib");
}

void rep_fib_generic(bench_run *run) {
    fib_call call = {GENERIC_N, 0};
    double start = bench_seconds();
    run_in_task(generic_fib, &call);
    run->value[0] = (bench_seconds() - start) * 1e9 / fib_forks(GENERIC_N);
    bench_require(call.result == fib_answer(GENERIC_N), "fib-generic");
}
