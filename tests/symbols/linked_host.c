/* A program that links the library and runs one task. archive_test.sh adds functions to it that bear
 * the names of the library's internal ones. */
#include <belay/belay.h>

#include <stdbool.h>
#include <stddef.h>

static belay_status say_so(belay_task *self, void *arg) {
    (void)self;
    *(bool *)arg = true;
    return BELAY_OK;
}

int main(void) {
    belay_executor *executor = NULL;
    bool has_run = false;
    if (belay_executor_create(NULL, &executor) != BELAY_OK) {
        return 1;
    }
    bool ok = belay_executor_run(executor, say_so, &has_run, NULL) == BELAY_OK;
    ok = belay_executor_destroy(executor) == BELAY_OK && ok;
    return ok && has_run ? 0 : 1;
}
