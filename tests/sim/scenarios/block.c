/* Block hints: spares run in the place of workers that block. The bare scheduler has no timer and no monitor, so
 * nothing repairs a lost wakeup, or a place that nobody serves. */
#include "scenario.h"

#include "sched/block.h"

enum { ITEMS = 12 };

/* What an item does. */
typedef enum deed {
    COUNT,  /* is counted */
    BLOCK,  /* inside a hint, waits until `wanted` have been counted */
    FORGET, /* the same without the end: the next pick ends it */
    SHORT,  /* a hint around nothing */
    PUSH,   /* makes two more runnable on its worker */
    MEET    /* holds its worker until `wanted` have met */
} deed;

typedef struct item {
    runnable run; /* first: a runnable is an item */
    deed deed;
    uint32_t wanted;
} item;

static bench world;
static item items[ITEMS];
static tally counted, ended, met, inside;

static void reset(void) {
    tally_reset(&counted);
    tally_reset(&ended);
    tally_reset(&met);
    tally_reset(&inside);
    memset(items, 0, sizeof items);
}

static void run(worker *w, runnable *r) {
    const item *it = (item *)(void *)r;
    switch (it->deed) {
    case COUNT:
        tally_add(&counted, 1);
        break;
    case BLOCK:
    case FORGET:
        block_begin(w);
        tally_add(&inside, 1);
        tally_wait(&counted, it->wanted);
        if (it->deed == BLOCK) {
            block_end(w);
        }
        break;
    case SHORT:
        block_begin(w);
        block_end(w);
        break;
    case PUSH:
        worker_push(w, &items[ITEMS - 1].run);
        worker_push(w, &items[ITEMS - 2].run);
        break;
    case MEET:
        tally_add(&met, 1);
        tally_wait(&met, it->wanted);
        break;
    }
    tally_add(&ended, 1);
}

static void inject(uint32_t i, deed what, uint32_t wanted) {
    items[i].deed = what;
    items[i].wanted = wanted;
    sched_inject(world.sched, &items[i].run);
}

static void begin(uint32_t workers, uint32_t spares) {
    bench_open_with(&world, workers, spares, run);
    bench_start(&world, workers);
}

static void end(uint32_t items_run) {
    tally_wait(&ended, items_run);
    bench_close(&world);
}

/* The only worker blocks until others have run. */
static void one_blocks(void) {
    begin(1, 1);
    inject(0, BLOCK, 2);
    inject(1, COUNT, 0);
    inject(2, COUNT, 0);
    end(3);
}

static void all_block(void) {
    begin(2, 2);
    inject(0, BLOCK, 2);
    inject(1, FORGET, 2);
    inject(2, COUNT, 0);
    inject(3, COUNT, 0);
    end(4);
}

/* What the spare, or the worker before it blocked, has queued is not lost when the spare leaves. */
static void push_and_leave(void) {
    begin(1, 1);
    inject(0, BLOCK, 1);
    inject(1, COUNT, 0);
    inject(2, PUSH, 0);
    inject(3, COUNT, 0);
    inject(4, SHORT, 0);
    end(7);
}

/* Spares that block themselves. */
static void nested_places(void) {
    begin(1, 3);
    inject(0, BLOCK, 1);
    inject(1, BLOCK, 1);
    inject(2, FORGET, 1);
    tally_wait(&inside, 3);
    inject(3, COUNT, 0);
    end(4);
}

/* One spare for two: the first place that is given back frees it for the other, so two can meet while one blocks. */
static void too_few(void) {
    begin(2, 1);
    inject(0, BLOCK, 1);
    inject(1, BLOCK, 2);
    tally_wait(&inside, 2);
    inject(2, COUNT, 0); /* by the spare: there is one */
    tally_wait(&ended, 2);
    inject(3, MEET, 2);
    inject(4, MEET, 2);
    tally_wait(&met, 2);
    inject(5, COUNT, 0);
    end(6);
}

/* No thread is to be had: others take what they can, and the next time there is one. */
static void no_thread(void) {
    begin(2, 2);
    world.poor = true;
    inject(0, BLOCK, 2);
    inject(1, COUNT, 0);
    inject(2, COUNT, 0);
    tally_wait(&ended, 3);
    world.poor = false;
    inject(3, BLOCK, 3);
    inject(4, BLOCK, 3);
    tally_wait(&inside, 3);
    inject(5, COUNT, 0);
    end(6);
}

/* Begin, end and begin again, while the spare is called, searches, parks and leaves. */
static void short_hints(void) {
    begin(1, 1);
    for (uint32_t i = 0; i < 4; i++) {
        inject(i, SHORT, 0);
        if (sim_choose(2) == 0) {
            tally_wait(&ended, i + 1);
        }
    }
    inject(4, BLOCK, 1);
    inject(5, COUNT, 0);
    end(6);
}

/* Afterwards as many run at once as were configured, and no more are in service once all is still. */
static void back_to_normal(void) {
    begin(2, 2);
    inject(0, BLOCK, 1);
    inject(1, FORGET, 1);
    inject(2, COUNT, 0);
    tally_wait(&ended, 3);
    inject(3, MEET, 2);
    inject(4, MEET, 2);
    tally_wait(&ended, 5);
    while (!idle_all_parked(world.sched)) {
        port_thread_yield();
    }
    sim_check(load_seq_cst(&world.sched->idle) == 2, "a spare has stayed in service");
    bench_close(&world);
}

static const scenario list_of_scenarios[] = {
    {"one_blocks", reset, one_blocks, 1},
    {"all_block", reset, all_block, 1},
    {"push_and_leave", reset, push_and_leave, 1},
    {"nested_places", reset, nested_places, 1},
    {"too_few", reset, too_few, 1},
    {"no_thread", reset, no_thread, 1},
    {"short_hints", reset, short_hints, 1},
    {"back_to_normal", reset, back_to_normal, 2},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("block", list_of_scenarios, sizeof list_of_scenarios / sizeof *list_of_scenarios);
}
