/* C++ in tasks. An exception may be thrown and caught inside a body, also across waits; which exceptions are being
 * handled belongs to the task and not to the worker. One that leaves a body ends the process with the task's name. */
#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>

#include <belay/belay.h>

#include "port/child.h"

namespace {

int broken;

void expect_at(bool holds, const char *text, int line) {
    if (!holds) {
        std::fprintf(stderr, "exception_test.cpp:%d: expected: %s\n", line, text);
        __atomic_store_n(&broken, 1, __ATOMIC_RELAXED);
    }
}

#define EXPECT(condition) expect_at((condition), #condition, __LINE__)

belay_executor *make(uint32_t workers) {
    belay_config config;
    belay_config_init(&config, sizeof config);
    config.ignore_env = 1;
    config.workers = workers;
    belay_executor *ex = nullptr;
    EXPECT(belay_executor_create(&config, &ex) == BELAY_OK);
    return ex;
}

/* ---- caught ------------------------------------------------------------------------------------------------------ */

const int ROUNDS = 50;

/* Parks inside one catch block within another, and finds both exceptions as they were. */
belay_status catch_and_wait(belay_task *self, void *arg) {
    int mine = *static_cast<int *>(arg);
    for (int round = 0; round < ROUNDS; round++) {
        try {
            throw mine;
        } catch (int outer) {
            (void)belay_yield(self);
            try {
                throw std::runtime_error(std::to_string(mine));
            } catch (const std::exception &inner) {
                (void)belay_sleep_until(self, belay_after(mine % 3 * 10000));
                EXPECT(std::to_string(mine) == inner.what());
            }
            (void)belay_yield(self);
            EXPECT(outer == mine);
            try {
                throw;
            } catch (int again) {
                EXPECT(again == mine);
            }
            EXPECT(std::uncaught_exceptions() == 0);
        }
        EXPECT(!std::current_exception());
    }
    return BELAY_OK;
}

void test_what_is_being_handled_belongs_to_the_task(uint32_t workers) {
    belay_executor *ex = make(workers);
    int numbers[16];
    for (int i = 0; i < 16; i++) {
        numbers[i] = i;
        EXPECT(belay_spawn(nullptr, belay_executor_root(ex), catch_and_wait, &numbers[i], nullptr,
                           nullptr) == BELAY_OK);
    }
    EXPECT(belay_executor_shutdown(ex, BELAY_NEVER, BELAY_NEVER) == BELAY_OK);
    EXPECT(belay_executor_destroy(ex) == BELAY_OK);
}

/* ---- not caught -------------------------------------------------------------------------------------------------- */

belay_status throw_it(belay_task *self, void *arg) {
    if (arg != nullptr) {
        (void)belay_sleep_until(self, belay_after(100000));
    }
    throw std::runtime_error("the reason");
}

void run_thrower(void *arg) {
    belay_executor *ex = make(2);
    belay_task_options options = {};
    options.name = "thrower";
    belay_task_handle task;
    EXPECT(belay_spawn(nullptr, belay_executor_root(ex), throw_it, arg, &options, &task) ==
           BELAY_OK);
    (void)belay_join(nullptr, task, nullptr);
}

void test_an_exception_that_leaves_a_body_names_the_task(void *waits) {
    char output[CHILD_OUTPUT];
    int end = child_run(run_thrower, waits, output);
    EXPECT(end == 1000 + SIGABRT);
    EXPECT(std::strstr(output, "belay: task thrower (throw_it@") != nullptr);
    EXPECT(std::strstr(output, "has let an exception out of its body") != nullptr);
    EXPECT(std::strstr(output, "the reason") != nullptr); /* and the C++ runtime tells the rest */
    if (__atomic_load_n(&broken, __ATOMIC_RELAXED) != 0) {
        std::fprintf(stderr, "%s", output);
    }
}

} // namespace

/* First the tests that fork: no thread has been started yet. */
int main() {
    int yes = 1;
    test_an_exception_that_leaves_a_body_names_the_task(nullptr);
    test_an_exception_that_leaves_a_body_names_the_task(&yes);
    test_what_is_being_handled_belongs_to_the_task(1);
    test_what_is_being_handled_belongs_to_the_task(4);
    return broken;
}
