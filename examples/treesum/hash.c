/* File tasks: open, read block by block, settle in the ledger. A task that is cancelled, or
 * skipped because it was cancelled before it began, leaves its file unsettled. */
#include "hash.h"

#include "console.h"
#include "patience.h"
#include "system.h"

#include <errno.h>
#include <fcntl.h>

/* The checkpoint between blocks is where a cancel or the deadline stops a long file, and where
 * other tasks get their turn. The task may go on in another thread; the hasher does not mind. */
static belay_status hash_blocks(belay_task *self, struct file *file, int fd,
                                struct hasher *hasher) {
    for (;;) {
        size_t got;
        belay_status status = system_read(fd, hasher->block, HASHER_BLOCK, &got);
        if (status != BELAY_OK) {
            return status;
        }
        if (got == 0) {
            return hasher_finish(hasher, file->digest) ? BELAY_OK : EIO;
        }
        if (!hasher_update(hasher, got)) {
            return EIO;
        }
        ledger_count_bytes(&file->run->ledger, got);
        status = belay_checkpoint(self);
        if (status != BELAY_OK) {
            return status;
        }
    }
}

static belay_status hash_content(belay_task *self, struct file *file, int fd) {
    struct hashers *hashers = &file->run->hashers;
    struct hasher *hasher = hashers_take(hashers);
    if (hasher == NULL) {
        return ENOMEM;
    }
    belay_status status = hash_blocks(self, file, fd, hasher);
    hashers_give(hashers, hasher);
    return status;
}

/* Between the reading of the directory and now, the name may have come to mean something else. */
static bool is_wanted(const struct file *file, const struct stat *status) {
    return S_ISREG(status->st_mode) && !output_is(file->run->output, status);
}

static belay_status hash_opened(belay_task *self, struct file *file, int fd,
                                enum file_state *state) {
    struct stat status;
    int error = system_stat(fd, &status);
    if (error != 0) {
        return error;
    }
    if (!is_wanted(file, &status)) {
        *state = FILE_OMITTED;
        return S_ISDIR(status.st_mode) ? EISDIR : BELAY_OK;
    }
    *state = FILE_HASHED;
    return hash_content(self, file, fd);
}

/* O_NONBLOCK: should the name now be a pipe's, opening it must not hang. */
static belay_status hash_file(belay_task *self, struct file *file, enum file_state *state) {
    int fd;
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    belay_status status = open_patiently(self, file->path, flags, &fd);
    if (status == BELAY_OK) {
        status = hash_opened(self, file, fd, state);
        system_close(fd);
    }
    return status;
}

static void fail_file(struct file *file, belay_status status) {
    console_failure(file->path, status);
    ledger_settle(&file->run->ledger, file, FILE_FAILED);
}

/* A file that cannot be read is an error of this task alone, whose scope supervises. */
static belay_status hash_body(belay_task *self, void *arg) {
    struct file *file = arg;
    enum file_state state = FILE_FAILED;
    belay_status status = hash_file(self, file, &state);
    if (status == BELAY_OK) {
        ledger_settle(&file->run->ledger, file, state);
    } else if (status > 0) {
        fail_file(file, status);
    }
    return status;
}

/* `next` is read before the file is spawned: from then on it is its task's. */
belay_status hash_files(belay_task *self, struct treesum *run, struct file *files) {
    belay_task_options options = {.name = "file"};
    while (files != NULL) {
        struct file *file = files;
        files = file->next;
        belay_status status = belay_spawn(self, run->files, hash_body, file, &options, NULL);
        if (status == BELAY_ECANCELED) {
            return status;
        }
        if (status != BELAY_OK) {
            fail_file(file, status);
        }
    }
    return BELAY_OK;
}
