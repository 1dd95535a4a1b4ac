/* uts: counts the nodes of an unbalanced tree, one fork a child. */
#include "belay.h"

#include "common/work.h"

static int64_t search(belay_task *self, uts_node node);
BELAY_FORKABLE(search, int64_t, uts_node)

static int64_t search(belay_task *self, uts_node node) {
    int children = uts_children(&node);
    for (int i = 0; i < children; i++) {
        search_fork(self, uts_child(&node, i));
    }
    int64_t nodes = 1;
    for (int i = 0; i < children; i++) {
        nodes += search_sync(self);
    }
    return nodes;
}

static belay_status body(belay_task *self, void *arg) {
    int64_t *answer = arg;
    *answer = search(self, uts_root());
    return BELAY_OK;
}

void rep_uts(bench_run *run) {
    int64_t answer = 0;
    double start = bench_seconds();
    run_in_task(body, &answer);
    run->value[0] = (bench_seconds() - start) * 1e3;
    bench_require(answer == UTS_ANSWER, "uts");
}
