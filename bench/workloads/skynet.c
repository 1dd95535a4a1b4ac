/* skynet: 1,111,111 nodes, ten children each; by fork and sync, and by spawned tasks in scopes. */
#include "belay.h"

#include "common/work.h"

static const sky_node root = {0, SKY_LEAVES};

static int64_t sky(belay_task *self, sky_node node);
BELAY_FORKABLE(sky, int64_t, sky_node)

static int64_t sky(belay_task *self, sky_node node) {
    if (node.leaves == 1) {
        return node.first;
    }
    for (int i = 0; i < SKY_CHILDREN; i++) {
        sky_fork(self, sky_child(node, i));
    }
    int64_t sum = 0;
    for (int i = 0; i < SKY_CHILDREN; i++) {
        sum += sky_sync(self);
    }
    return sum;
}

static belay_status fork_body(belay_task *self, void *arg) {
    int64_t *answer = arg;
    *answer = sky(self, root);
    return BELAY_OK;
}

/* Lives on the stack of the task that spawned the node's, which waits in the close of its scope. */
typedef struct sky_call {
    sky_node node;
    int64_t sum;
} sky_call;

static belay_status sky_task(belay_task *self, void *arg);

/* A scope of its own for ten children, closed when they have ended. */
static belay_status sky_children(belay_task *self, sky_node node, sky_call calls[SKY_CHILDREN]) {
    belay_scope scope;
    belay_status status = belay_scope_open(self, NULL, &scope);
    if (status != BELAY_OK) {
        return status;
    }
    for (int i = 0; i < SKY_CHILDREN && status == BELAY_OK; i++) {
        calls[i] = (sky_call){sky_child(node, i), 0};
        status = belay_spawn(self, scope, sky_task, &calls[i], NULL, NULL);
    }
    belay_status closed = belay_scope_close(self, scope);
    return status != BELAY_OK ? status : closed;
}

static belay_status sky_task(belay_task *self, void *arg) {
    sky_call *call = arg;
    if (call->node.leaves == 1) {
        call->sum = call->node.first;
        return BELAY_OK;
    }
    sky_call calls[SKY_CHILDREN];
    belay_status status = sky_children(self, call->node, calls);
    for (int i = 0; i < SKY_CHILDREN && status == BELAY_OK; i++) {
        call->sum += calls[i].sum;
    }
    return status;
}

void rep_sky_fork(bench_run *run) {
    int64_t answer = 0;
    double start = bench_seconds();
    run_in_task(fork_body, &answer);
    run->value[0] = (bench_seconds() - start) * 1e3;
    bench_require(answer == SKY_ANSWER, "skynet-fork");
}

void rep_sky_spawn(bench_run *run) {
    sky_call call = {root, 0};
    double start = bench_seconds();
    run_in_task(sky_task, &call);
    run->value[0] = (bench_seconds() - start) * 1e3;
    bench_require(call.sum == SKY_ANSWER, "skynet-spawn");
}
