/* nqueens: one fork for every valid placement of a queen, the board by value. */
#include "belay.h"

#include "common/work.h"

static int64_t queens(belay_task *self, queens_board board);
BELAY_FORKABLE(queens, int64_t, queens_board)

static int64_t queens(belay_task *self, queens_board board) {
    if (board.rows == QUEENS) {
        return 1;
    }
    int forks = 0;
    for (int column = 0; column < QUEENS; column++) {
        if (queens_fits(&board, column)) {
            queens_fork(self, queens_place(&board, column));
            forks++;
        }
    }
    int64_t placements = 0;
    while (forks-- > 0) {
        placements += queens_sync(self);
    }
    return placements;
}

static belay_status body(belay_task *self, void *arg) {
    int64_t *answer = arg;
    *answer = queens(self, (queens_board){0});
    return BELAY_OK;
}

void rep_queens(bench_run *run) {
    int64_t answer = 0;
    double start = bench_seconds();
    run_in_task(body, &answer);
    run->value[0] = (bench_seconds() - start) * 1e3;
    bench_require(answer == QUEENS_ANSWER, "nqueens");
}
