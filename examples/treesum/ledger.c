/* The ledger: a growing array of files, and running totals. */
#include "ledger.h"

#include "path.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

void ledger_init(struct ledger *ledger) {
    pthread_mutex_init(&ledger->lock, NULL);
    ledger->files = NULL;
    ledger->capacity = 0;
    ledger->totals = (struct totals){0};
}

void ledger_fini(struct ledger *ledger) {
    for (size_t i = 0; i < ledger->totals.found; i++) {
        free(ledger->files[i]);
    }
    free(ledger->files);
    pthread_mutex_destroy(&ledger->lock);
}

static bool reserve(struct ledger *ledger) {
    if (ledger->totals.found < ledger->capacity) {
        return true;
    }
    size_t capacity = ledger->capacity == 0 ? 1024 : 2 * ledger->capacity;
    struct file **files = reallocarray(ledger->files, capacity, sizeof(struct file *));
    if (files == NULL) {
        return false;
    }
    ledger->files = files;
    ledger->capacity = capacity;
    return true;
}

static bool append(struct ledger *ledger, struct file *file) {
    pthread_mutex_lock(&ledger->lock);
    bool fits = reserve(ledger);
    if (fits) {
        ledger->files[ledger->totals.found++] = file;
    }
    pthread_mutex_unlock(&ledger->lock);
    return fits;
}

struct file *ledger_enter(struct ledger *ledger, struct treesum *run, const char *directory,
                          const char *name) {
    struct file *entered = malloc(sizeof(*entered) + path_join_size(directory, name));
    if (entered == NULL) {
        return NULL;
    }
    path_join(entered->path, directory, name);
    entered->run = run;
    entered->state = FILE_FOUND;
    entered->next = NULL;
    if (!append(ledger, entered)) {
        free(entered);
        return NULL;
    }
    return entered;
}

void ledger_settle(struct ledger *ledger, struct file *file, enum file_state state) {
    assert(file->state == FILE_FOUND && state != FILE_FOUND);
    file->state = state;
    pthread_mutex_lock(&ledger->lock);
    ledger->totals.settled++;
    ledger->totals.hashed += state == FILE_HASHED;
    ledger->totals.failures += state == FILE_FAILED;
    pthread_mutex_unlock(&ledger->lock);
}

void ledger_count_failure(struct ledger *ledger) {
    pthread_mutex_lock(&ledger->lock);
    ledger->totals.failures++;
    pthread_mutex_unlock(&ledger->lock);
}

void ledger_count_bytes(struct ledger *ledger, size_t bytes) {
    pthread_mutex_lock(&ledger->lock);
    ledger->totals.bytes += bytes;
    pthread_mutex_unlock(&ledger->lock);
}

struct totals ledger_totals(struct ledger *ledger) {
    pthread_mutex_lock(&ledger->lock);
    struct totals now = ledger->totals;
    pthread_mutex_unlock(&ledger->lock);
    return now;
}
