/* A program that loads the shared library whose path it is given, runs one task, and unloads it, twice:
 * code that a thread still returns through must stay mapped. */
#include <belay/belay.h>

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>

typedef belay_status create_function(const belay_config *config, belay_executor **out);
typedef belay_status run_function(belay_executor *executor, belay_body *body, void *arg,
                                  belay_outcome *outcome);
typedef belay_status destroy_function(belay_executor *executor);

static belay_status say_so(belay_task *self, void *arg) {
    (void)self;
    *(bool *)arg = true;
    return BELAY_OK;
}

static bool run_one_task(void *library) {
    create_function *create = (create_function *)dlsym(library, "belay_executor_create");
    run_function *run = (run_function *)dlsym(library, "belay_executor_run");
    destroy_function *destroy = (destroy_function *)dlsym(library, "belay_executor_destroy");
    belay_executor *executor = NULL;
    bool has_run = false;
    if (!create || !run || !destroy || create(NULL, &executor) != BELAY_OK) {
        return false;
    }
    bool ok = run(executor, say_so, &has_run, NULL) == BELAY_OK;
    return destroy(executor) == BELAY_OK && ok && has_run;
}

static bool load_and_run(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return false;
    }
    bool ok = run_one_task(library);
    return dlclose(library) == 0 && ok;
}

int main(int argc, char **argv) {
    return argc == 2 && load_and_run(argv[1]) && load_and_run(argv[1]) ? 0 : 1;
}
