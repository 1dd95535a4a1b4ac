/* The ledger: every file that was found, and what became of it.
 *
 * Directory tasks enter files, file tasks settle them, the main thread reads the totals
 * meanwhile and the files at the end, when no task is left. The ledger owns the files until
 * ledger_fini, so a file task needs no destructor for its argument. The mutex is held for a few
 * instructions and never across a call that waits: a task that waits may wake on another thread,
 * and a mutex belongs to a thread. */
#ifndef BELAY_TREESUM_LEDGER_H
#define BELAY_TREESUM_LEDGER_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#define LEDGER_DIGEST 32 /* bytes of a SHA-256 digest */

struct treesum;

enum file_state {
    FILE_FOUND,  /* not read, or not to its end: so it stays if the run is cancelled */
    FILE_HASHED, /* digest is valid */
    FILE_FAILED, /* reported on standard error */
    FILE_OMITTED /* the list itself, or no regular file any more when it was opened */
};

/* Fields are written by the file's task while it runs, and constant otherwise. */
struct file {
    struct treesum *run;
    struct file *next; /* in the list of its directory's task, until spawned */
    enum file_state state;
    unsigned char digest[LEDGER_DIGEST];
    char path[];
};

struct totals {
    size_t found;
    size_t settled; /* hashed, failed or omitted */
    size_t hashed;
    size_t failures; /* failed files, and directories that could not be read */
    uint64_t bytes;  /* read so far */
};

struct ledger {
    pthread_mutex_t lock; /* guards all below but the files' content */
    struct file **files;
    size_t capacity;
    struct totals totals;
};

void ledger_init(struct ledger *ledger);
void ledger_fini(struct ledger *ledger);

/* Enters the file directory/name of `run`. NULL: no memory. */
struct file *ledger_enter(struct ledger *ledger, struct treesum *run, const char *directory,
                          const char *name);

/* Records the end of a file's task; state is not FILE_FOUND. */
void ledger_settle(struct ledger *ledger, struct file *file, enum file_state state);

/* Counts a failure that belongs to no entered file. */
void ledger_count_failure(struct ledger *ledger);

void ledger_count_bytes(struct ledger *ledger, size_t bytes);

struct totals ledger_totals(struct ledger *ledger);

#endif
