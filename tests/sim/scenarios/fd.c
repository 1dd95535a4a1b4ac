/* Readiness of descriptors: no wake is lost between linking, arming, parking, cancelling and closing, and the worker
 * that sleeps in the poller hears of other work. */
#include "scenario.h"

#include <belay/io.h>

enum { FD = 3, OTHER = 4 };

static tally woken;
static tally refused;
static tally turns;
static tally waiting;

static void reset(void) {
    tally_reset(&woken);
    tally_reset(&refused);
    tally_reset(&turns);
    tally_reset(&waiting);
}

static belay_status read_once(belay_task *self, void *arg) {
    int fd = *(const int *)arg;
    size_t count = 0;
    char byte;
    tally_add(&waiting, 1);
    belay_status status = belay_read(self, fd, &byte, 1, &count, NULL);
    if (status == BELAY_OK) {
        sim_check(count == 1, "ready, and nothing to read");
        tally_add(&woken, 1);
    } else {
        sim_check(status == BELAY_ECANCELED || status == BELAY_EBADF, "another status");
        tally_add(&refused, 1);
    }
    return BELAY_OK;
}

static const int fd_number = FD;
static const int other_number = OTHER;

static belay_task_handle reader(belay_executor *ex, const int *fd) {
    belay_task_handle task;
    sim_check(world_spawn(NULL, belay_executor_root(ex), read_once, (void *)(uintptr_t)fd, &task) ==
                  BELAY_OK,
              "refused");
    return task;
}

static void finish(belay_task_handle task) {
    sim_check(belay_join(NULL, task, NULL) == BELAY_OK, "not joined");
    sim_check(belay_task_release(task) == BELAY_OK, "not released");
}

static belay_executor *begin(void) {
    sim_fd_open(FD);
    sim_fd_open(OTHER);
    return world_open();
}

/* Made ready at any moment: while the task tries, links, parks, or after. */
static void ready_any_time(void) {
    belay_executor *ex = begin();
    belay_task_handle task = reader(ex, &fd_number);
    sim_fd_set(FD, PORT_FD_READ);
    finish(task);
    world_close(ex);
    sim_check(tally_read(&woken) == 1, "not woken");
}

/* Both workers may be parked, one of them in the poller. */
static void ready_when_parked(void) {
    belay_executor *ex = begin();
    belay_task_handle a = reader(ex, &fd_number);
    belay_task_handle b = reader(ex, &other_number);
    tally_wait(&waiting, 2);
    sim_fd_set(OTHER, PORT_FD_READ);
    finish(b);
    sim_fd_set(FD, PORT_FD_READ);
    finish(a);
    world_close(ex);
    sim_check(tally_read(&woken) == 2, "not woken");
}

static void canceled(void) {
    belay_executor *ex = begin();
    belay_task_handle task = reader(ex, &fd_number);
    sim_check(belay_task_cancel(task, BELAY_ECANCELED, NULL) == BELAY_OK, "not cancelled");
    sim_fd_set(FD, PORT_FD_READ);
    finish(task);
    world_close(ex);
}

/* Two are woken by one byte; who does not get it waits again. */
static void one_of_two(void) {
    belay_executor *ex = begin();
    belay_task_handle a = reader(ex, &fd_number);
    belay_task_handle b = reader(ex, &fd_number);
    sim_fd_set(FD, PORT_FD_READ);
    tally_wait(&woken, 1);
    sim_fd_set(FD, PORT_FD_READ);
    finish(a);
    finish(b);
    world_close(ex);
    sim_check(tally_read(&woken) == 2, "not woken");
}

static void close_it(void *arg) {
    (void)arg;
    sim_check(belay_fd_close(FD) == BELAY_OK, "not closed");
    sim_fd_open(FD);
    sim_fd_set(FD, PORT_FD_READ);
}

/* Whoever waited for the old file is told; who comes later reads the new one. */
static void closed_and_used_again(void) {
    belay_executor *ex = begin();
    belay_task_handle a = reader(ex, &fd_number);
    port_thread closer = world_thread(close_it, NULL, "closer");
    port_thread_join(&closer);
    finish(a);
    sim_fd_set(FD, PORT_FD_READ);
    finish(reader(ex, &fd_number));
    world_close(ex);
    sim_check(tally_read(&woken) >= 1, "the new file's reader was not woken");
}

/* One waits to read and one to write: what is ready for one must not be the end of the other's wait. */
static belay_status write_once(belay_task *self, void *arg) {
    (void)arg;
    uint32_t ready = 0;
    tally_add(&waiting, 1);
    sim_check(belay_wait_fd(self, FD, BELAY_FD_WRITE, &ready) == BELAY_OK, "not ready");
    tally_add(&woken, 1);
    return BELAY_OK;
}

static void reader_and_writer(void) {
    belay_executor *ex = begin();
    belay_task_handle a = reader(ex, &fd_number);
    belay_task_handle b;
    sim_check(world_spawn(NULL, belay_executor_root(ex), write_once, NULL, &b) == BELAY_OK,
              "refused");
    tally_wait(&waiting, 2);
    sim_fd_set(FD, PORT_FD_READ);
    finish(a);
    sim_fd_set(FD, PORT_FD_WRITE);
    finish(b);
    world_close(ex);
    sim_check(tally_read(&woken) == 2, "not woken");
}

/* The first wait of all may begin while the number is being closed. */
static fd_table table;
static fd_node first;

static void note_wake(fd_node *n) {
    (void)n;
    tally_add(&woken, 1);
}

static void no_run(worker *w, runnable *r) {
    (void)w;
    (void)r;
}

static void close_first(void *arg) {
    (void)arg;
    sim_check(fd_close(FD), "not closed");
}

static void closed_under_the_first(void) {
    bench b;
    bench_open(&b, 1, no_run);
    fd_init(&table, b.sched, allocator_default());
    sim_fd_open(FD);
    first = (fd_node){.fd = FD, .interest = PORT_FD_READ, .wake = note_wake};
    port_thread closer = world_thread(close_first, NULL, "closer");
    fd_linked linked = fd_link(&table, &first);
    port_thread_join(&closer);
    if (linked == FD_LINKED) {
        sim_check(tally_read(&woken) == 1 && first.ready == PORT_FD_BAD, "not woken");
        fd_unlink(&table, &first);
    } else {
        sim_check(linked == FD_CLOSED, "not linked");
    }
    fd_fini(&table);
    bench_close(&b);
}

/* A worker sleeps in the poller; tasks from outside must still run at once. */
static belay_status take_turn(belay_task *self, void *arg) {
    (void)arg;
    (void)belay_yield(self);
    tally_add(&turns, 1);
    return BELAY_OK;
}

static void work_reaches_the_poller(void) {
    sim_fd_open(FD);
    belay_config config;
    world_config(&config);
    config.workers = 1;
    belay_executor *ex = world_open_with(&config);
    belay_task_handle task = reader(ex, &fd_number);
    for (uint32_t i = 0; i < 3; i++) {
        sim_check(world_spawn(NULL, belay_executor_root(ex), take_turn, NULL, NULL) == BELAY_OK,
                  "refused");
        tally_wait(&turns, i + 1);
    }
    sim_fd_set(FD, PORT_FD_READ);
    finish(task);
    world_close(ex);
}

static const scenario list_of_scenarios[] = {
    {"ready_any_time", reset, ready_any_time, 2},
    {"ready_when_parked", reset, ready_when_parked, 2},
    {"canceled", reset, canceled, 2},
    {"one_of_two", reset, one_of_two, 2},
    {"reader_and_writer", reset, reader_and_writer, 2},
    {"closed_and_used_again", reset, closed_and_used_again, 2},
    {"closed_under_the_first", reset, closed_under_the_first, 0},
    {"work_reaches_the_poller", reset, work_reaches_the_poller, 2},
};

__attribute__((constructor)) static void add(void) {
    scenarios_add("fd", list_of_scenarios, sizeof list_of_scenarios / sizeof *list_of_scenarios);
}
