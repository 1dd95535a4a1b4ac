/* Two tasks pass a number to and fro over two channels: what a round trip costs. */
#include "belay.h"

enum { TRIPS = 1000000 };

typedef struct court {
    belay_channel *there;
    belay_channel *back;
    int64_t sum;
} court;

/* Gives back each number, one greater. */
static belay_status return_task(belay_task *self, void *arg) {
    court *c = arg;
    belay_status status = BELAY_OK;
    for (int64_t i = 0; i < TRIPS && status == BELAY_OK; i++) {
        int64_t ball;
        status = belay_channel_recv(self, c->there, &ball);
        if (status == BELAY_OK) {
            ball++;
            status = belay_channel_send(self, c->back, &ball);
        }
    }
    return status;
}

static belay_status serve_task(belay_task *self, void *arg) {
    court *c = arg;
    belay_status status = BELAY_OK;
    for (int64_t i = 0; i < TRIPS && status == BELAY_OK; i++) {
        int64_t ball = i;
        status = belay_channel_send(self, c->there, &ball);
        if (status == BELAY_OK) {
            status = belay_channel_recv(self, c->back, &ball);
            c->sum += ball;
        }
    }
    return status;
}

static belay_status match_task(belay_task *self, void *arg) {
    belay_scope scope;
    belay_status status = belay_scope_open(self, NULL, &scope);
    if (status == BELAY_OK) {
        status = belay_spawn(self, scope, return_task, arg, NULL, NULL);
    }
    if (status == BELAY_OK) {
        status = belay_spawn(self, scope, serve_task, arg, NULL, NULL);
    }
    belay_status closed = belay_scope_close(self, scope);
    return status != BELAY_OK ? status : closed;
}

static belay_channel *make_channel(size_t capacity) {
    belay_channel *ch = NULL;
    belay_channel_options options = {.capacity = capacity, .element = sizeof(int64_t)};
    require_ok(belay_channel_create(&options, &ch), "channel");
    return ch;
}

static void play(bench_run *run, size_t capacity) {
    court c = {make_channel(capacity), make_channel(capacity), 0};
    double start = bench_seconds();
    run_in_task(match_task, &c);
    run->value[0] = (bench_seconds() - start) * 1e9 / TRIPS;
    bench_require(c.sum == (int64_t)TRIPS * (TRIPS + 1) / 2, "channel");
    require_ok(belay_channel_destroy(c.there), "destroy");
    require_ok(belay_channel_destroy(c.back), "destroy");
}

void rep_channel(bench_run *run) {
    play(run, 0);
}

void rep_channel_buffered(bench_run *run) {
    play(run, 1);
}
