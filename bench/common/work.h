/* The work itself where it is the same for every subject, and the right answers.
 *
 * Nothing here knows of tasks. Functions on the hot path are inline, so that no subject pays for a
 * call that another one's compiler removed. */
#ifndef BELAY_BENCH_COMMON_WORK_H
#define BELAY_BENCH_COMMON_WORK_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* fib: the number, and how many forks computing it takes (one for each call with n >= 2). */
int64_t fib_answer(int n);
double fib_forks(int n);

/* nqueens: the placements of queens on a board of QUEENS columns, one task for each valid one. */
enum { QUEENS = 12, QUEENS_ANSWER = 14200 };

typedef struct queens_board {
    int8_t rows; /* filled so far */
    int8_t column[QUEENS];
} queens_board;

static inline bool queens_fits(const queens_board *board, int column) {
    for (int row = 0; row < board->rows; row++) {
        int apart = board->column[row] - column;
        int distance = board->rows - row;
        if (apart == 0 || apart == distance || apart == -distance) {
            return false;
        }
    }
    return true;
}

static inline queens_board queens_place(const queens_board *board, int column) {
    queens_board next = *board;
    next.column[next.rows] = (int8_t)column;
    next.rows++;
    return next;
}

/* skynet: a tree of a million leaves, ten children to a node; every leaf gives its number. */
typedef struct sky_node {
    int64_t first;  /* number of its first leaf */
    int64_t leaves; /* 1: it is a leaf */
} sky_node;

enum { SKY_CHILDREN = 10, SKY_LEAVES = 1000000 };
#define SKY_ANSWER INT64_C(499999500000)

static inline sky_node sky_child(sky_node node, int index) {
    int64_t leaves = node.leaves / SKY_CHILDREN;
    sky_node child = {node.first + index * leaves, leaves};
    return child;
}

/* uts: the unbalanced tree search benchmark's tree T1: geometric, of fixed shape, branching 4, depth 10,
 * seed 19. A node is a SHA-1 digest; a child is the digest of its parent's and its own index. */
typedef struct uts_node {
    uint32_t digest[5];
    int32_t depth;
} uts_node;

#define UTS_ANSWER INT64_C(4130071)

uts_node uts_root(void);
uts_node uts_child(const uts_node *parent, int index);
int uts_children(const uts_node *node);

#ifdef __cplusplus
}
#endif
#endif
