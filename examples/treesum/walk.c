/* Directory tasks.
 *
 * A directory is read to its end and closed before its task waits for anything: the descriptor
 * is not held while files are hashed, so depth and breadth of a tree cost no descriptors. Then
 * the task starts other directories, spawns a task for each file, waiting for room among the
 * files in flight, and at last leaves the frontier and starts the directory that takes its
 * place. */
#include "walk.h"

#include "hash.h"
#include "patience.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

void walk_add(struct treesum *run, const char *parent, const struct entry *found,
              struct file **files) {
    bool added = true;
    if (found->kind == ENTRY_DIRECTORY) {
        added = frontier_add(&run->frontier, run, parent, found->name);
    } else if (found->kind == ENTRY_FILE) {
        struct file *file = ledger_enter(&run->ledger, run, parent, found->name);
        added = file != NULL;
        if (added) {
            file->next = *files;
            *files = file;
        }
    }
    if (!added) {
        treesum_fail(run, found->name, ENOMEM);
    }
}

/* Reads the whole stream, unless cancelled: a directory may hold millions of entries. */
static belay_status read_entries(belay_task *self, const struct directory *directory, DIR *stream,
                                 struct file **files) {
    for (;;) {
        struct entry found;
        int error = system_next(stream, &found);
        if (error != 0 || found.name == NULL) {
            return error;
        }
        if (belay_canceled(self)) {
            return BELAY_ECANCELED;
        }
        walk_add(directory->run, directory->path, &found, files);
    }
}

static belay_status read_directory(belay_task *self, const struct directory *directory,
                                   struct file **files) {
    int fd;
    DIR *stream;
    belay_status status =
        open_patiently(self, directory->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &fd);
    if (status == BELAY_OK) {
        status = system_directory(fd, &stream);
    }
    if (status == BELAY_OK) {
        status = read_entries(self, directory, stream, files);
        closedir(stream);
    }
    return status;
}

static belay_status walk_body(belay_task *self, void *arg) {
    struct directory *directory = arg;
    struct treesum *run = directory->run;
    struct file *files = NULL;
    belay_status read = read_directory(self, directory, &files);
    if (read > 0) {
        treesum_fail(run, directory->path, read);
    }
    walk_more(self, run);
    belay_status spawned = hash_files(self, run, files);
    frontier_leave(&run->frontier);
    walk_more(self, run);
    return read != BELAY_OK ? read : spawned;
}

/* Once spawned, a directory is freed by its task's argument destructor, whether the task runs or is
 * skipped. In a cancelled run the tasks are skipped, keep their places, and the loop ends. */
static void start_walk(belay_task *self, struct treesum *run, struct directory *directory) {
    belay_task_options options = {.name = "directory", .arg_drop = free};
    belay_status status = belay_spawn(self, run->directories, walk_body, directory, &options, NULL);
    if (status != BELAY_OK) {
        treesum_fail(run, directory->path, status);
        frontier_leave(&run->frontier);
        free(directory);
    }
}

void walk_more(belay_task *self, struct treesum *run) {
    struct directory *directory;
    while ((directory = frontier_take(&run->frontier)) != NULL) {
        start_walk(self, run, directory);
    }
}
