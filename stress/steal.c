/* Stealing: every queued task runs exactly once, whoever takes it.
 *
 * A root task fills its worker's queue faster than the worker can empty it: beyond the ring's first
 * capacity, while thieves take halves, while the owner claims batches, and while some tasks hold the
 * worker for so long that thieves raid what it hides (the batch, the hand-off slot). Tasks spawn more
 * tasks on the thief's side, and yield, so that woken tasks mix with new ones.
 *
 * Would catch: an entry that is taken twice or lost by claim against steal, by growing the ring under a
 * thief, by a raid against the owner's section; records handed to a slab twice; under ThreadSanitizer a
 * task that starts before what its spawner wrote is visible. Spawns here go the fast way, without options. */
#include "common/stress.h"

#include <stdlib.h>

enum { MOST_SEEDS = 700, CHILDREN = 3 };

typedef struct node {
    struct round *round;
    uint32_t ran;   /* plain: only its own task writes it */
    uint32_t burn;  /* nanoseconds */
    uint32_t depth; /* children below this one */
    uint32_t give_way;
    struct node *child[CHILDREN];
} node;

typedef struct round {
    belay_scope scope;
    stress_rng rng;
    uint32_t made;
    uint32_t capacity;
    node *nodes;
} round;

static node *new_node(round *r, uint32_t depth) {
    if (r->made == r->capacity) {
        return NULL;
    }
    node *n = &r->nodes[r->made++];
    *n = (node){.round = r, .depth = depth, .give_way = stress_below(&r->rng, 3)};
    n->burn = stress_chance(&r->rng, 2) ? stress_below(&r->rng, 200000) : 0;
    for (uint32_t i = 0; depth != 0 && i < CHILDREN; i++) {
        n->child[i] = new_node(r, depth - 1);
    }
    return n;
}

static belay_status run_node(belay_task *self, void *arg) {
    node *n = arg;
    n->ran++;
    uint64_t spawned = 0;
    for (uint32_t i = 0; i < CHILDREN; i++) {
        if (n->child[i] != NULL) {
            stress_equal(belay_spawn(self, n->round->scope, run_node, n->child[i], NULL, NULL),
                         BELAY_OK, "spawn");
            spawned++;
        }
    }
    if (spawned != 0) {
        stress_accepted(spawned);
    }
    if (n->burn != 0) {
        stress_burn(n->burn);
    }
    return n->give_way == 0 ? belay_yield(self) : BELAY_OK;
}

static belay_status run_root(belay_task *self, void *arg) {
    round *r = arg;
    uint32_t seeds = 1 + stress_below(&r->rng, MOST_SEEDS);
    uint32_t depth = stress_below(&r->rng, 3);
    stress_equal(belay_scope_open(self, NULL, &r->scope), BELAY_OK, "scope_open");
    for (uint32_t i = 0; i < seeds; i++) {
        node *n = new_node(r, depth);
        if (n == NULL) {
            break;
        }
        stress_equal(belay_spawn(self, r->scope, run_node, n, NULL, NULL), BELAY_OK, "spawn");
        stress_accepted(1);
    }
    return belay_scope_close(self, r->scope);
}

static void play(stress_driver *d) {
    round r = {.rng = {stress_random(&d->rng)}, .capacity = MOST_SEEDS * 4};
    r.nodes = calloc(r.capacity, sizeof *r.nodes);
    stress_check(r.nodes != NULL, "calloc");
    stress_run(d->executor, run_root, &r);
    for (uint32_t i = 0; i < r.made; i++) {
        stress_equal(r.nodes[i].ran, 1, "times a task ran");
    }
    free(r.nodes);
}

int main(int argc, char **argv) {
    static const stress_plan plan = {.name = "steal", .drivers = 2, .round = play};
    return stress_main(argc, argv, &plan);
}
