/* What fast_paths_test.sh disassembles: the inlined halves of the hot calls, each in a function of its own. */
#include <belay/cancel.h>
#include <belay/fork.h>

bool path_poll(const belay_task *self);
bool path_poll(const belay_task *self) {
    return belay_canceled(self);
}

static long leaf(belay_task *self, long n) {
    (void)self;
    return n * 3;
}
BELAY_FORKABLE(leaf, long, long)

void path_fork(belay_task *self, long n);
void path_fork(belay_task *self, long n) {
    leaf_fork(self, n);
}

long path_sync(belay_task *self);
long path_sync(belay_task *self) {
    return leaf_sync(self);
}
