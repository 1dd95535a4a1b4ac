/* The run task: scopes opened, roots started, scopes closed. */
#include "treesum.h"

#include "console.h"
#include "hash.h"
#include "system.h"
#include "walk.h"

#define JOBS_PER_WORKER 4
#define SPARE_DESCRIPTORS 32

/* A file in flight has one descriptor open, and so has a directory while it is read; there may
 * be as many of these as of those. */
static uint32_t choose_jobs(uint32_t wanted, uint32_t workers) {
    size_t descriptors = system_descriptors();
    size_t most = descriptors > SPARE_DESCRIPTORS ? (descriptors - SPARE_DESCRIPTORS) / 2 : 0;
    size_t jobs = wanted != 0 ? wanted : (size_t)JOBS_PER_WORKER * workers;
    if (jobs > most) {
        jobs = most;
    }
    return jobs > 0 ? (uint32_t)jobs : 1;
}

bool treesum_init(struct treesum *run, const struct options *options, const struct output *output,
                  uint32_t workers) {
    *run = (struct treesum){.options = options, .output = output};
    if (!hashers_init(&run->hashers)) {
        return false;
    }
    run->jobs = choose_jobs(options->jobs, workers);
    if (options->timeout > 0) {
        run->deadline = belay_after((int64_t)(options->timeout * (double)BELAY_SECOND));
    }
    frontier_init(&run->frontier, run->jobs);
    ledger_init(&run->ledger);
    return true;
}

void treesum_fini(struct treesum *run) {
    ledger_fini(&run->ledger);
    frontier_fini(&run->frontier);
    hashers_fini(&run->hashers);
}

void treesum_fail(struct treesum *run, const char *path, belay_status status) {
    console_failure(path, status);
    ledger_count_failure(&run->ledger);
}

/* Unlike links below it, one that was named is worth a word. */
static void refuse_root(struct treesum *run, const char *path, enum entry_kind kind) {
    static const char link[] = "symbolic links are not followed (but 'link/' is, to a directory)";
    console_error(path, kind == ENTRY_LINK ? link : "neither a file nor a directory");
    ledger_count_failure(&run->ledger);
}

static void add_root(struct treesum *run, const char *path, struct file **files) {
    enum entry_kind kind;
    int error = system_kind(path, &kind);
    if (error != 0) {
        treesum_fail(run, path, error);
    } else if (kind == ENTRY_DIRECTORY || kind == ENTRY_FILE) {
        walk_add(run, "", &(struct entry){path, kind}, files);
    } else {
        refuse_root(run, path, kind);
    }
}

/* A cancel that comes in here is reported by closing the scopes. */
static void start_roots(belay_task *self, struct treesum *run) {
    struct file *files = NULL;
    for (size_t i = 0; i < run->options->root_count; i++) {
        add_root(run, run->options->roots[i], &files);
    }
    walk_more(self, run);
    hash_files(self, run, files);
}

static belay_status open_scopes(belay_task *self, struct treesum *run) {
    belay_scope_options files = {
        .name = "files", .deadline = run->deadline, .policy = BELAY_SUPERVISE, .cap = run->jobs};
    belay_scope_options directories = {.name = "directories", .policy = BELAY_SUPERVISE};
    belay_status status = belay_scope_open(self, &files, &run->files);
    if (status != BELAY_OK) {
        return status;
    }
    status = belay_scope_open(self, &directories, &run->directories);
    if (status != BELAY_OK) {
        belay_scope_close(self, run->files);
    }
    return status;
}

/* Closing waits for all tasks of a scope. If a deadline or a cancel cut the work short, the
 * inner scope knows it only as a cancel from outside; the outer one's answer, if it has one, is
 * the better one. */
static belay_status close_scopes(belay_task *self, struct treesum *run) {
    belay_status walked = belay_scope_close(self, run->directories);
    belay_status hashed = belay_scope_close(self, run->files);
    return hashed != BELAY_OK ? hashed : walked;
}

belay_status treesum_body(belay_task *self, void *arg) {
    struct treesum *run = arg;
    belay_status status = open_scopes(self, run);
    if (status != BELAY_OK) {
        return status;
    }
    start_roots(self, run);
    return close_scopes(self, run);
}
