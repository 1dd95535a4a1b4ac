/* A lock for many readers or one writer.
 *
 * Phase-fair: a writer that waits keeps later readers out; when a writer leaves, all readers that wait come in, then
 * the next writer. So neither side starves: a reader waits for one writer at most, once it stands in the line. Writers
 * are served first come first served. There is no upgrade: reading and then asking to write is a wait for oneself that
 * is not noticed. Otherwise as a mutex (see <belay/mutex.h>): cancel-safe, across executors, held across waits.
 *
 * When a task ends while it holds the lock for writing, everybody who locks it gets BELAY_EOWNERDEAD until a writer
 * has: locked all the same. A reader's end is not noticed.
 *
 * After B. Brandenburg, J. Anderson, "Spin-Based Reader-Writer Synchronization for Multiprocessor Real-Time
 * Systems". */
#ifndef BELAY_RWLOCK_H
#define BELAY_RWLOCK_H

#include <belay/task.h>
#include <belay/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct belay_rwlock {
    uint64_t opaque[10]; /* the library's; not to be copied */
} belay_rwlock;

/* BELAY_OK, BELAY_EINVAL (NULL). Does not wait. Any thread, any context. */
BELAY_API belay_status belay_rwlock_init(belay_rwlock *lock);
/* BELAY_OK; BELAY_EBUSY: somebody holds it or is in a lock call; BELAY_EINVAL. Does not wait. Any thread, any
 * context. */
BELAY_API belay_status belay_rwlock_fini(belay_rwlock *lock);

/* Lock for reading, or for writing. Wait: a schedule point if they must, a cancel point in any case. From tasks and
 * foreign threads (self NULL).
 *   BELAY_OK         locked
 *   BELAY_EOWNERDEAD locked, and a writer ended without unlocking
 *   BELAY_EDEADLK    the caller holds it for writing
 *   BELAY_ECANCELED  the caller is cancelled (also if the lock is free); not locked
 *   BELAY_ETIMEDOUT  the deadline passed first (_until form; 0 polls); not locked
 *   BELAY_EINVAL     lock NULL
 *   BELAY_EAGAIN     (try_ form, which does not wait and is no cancel point) would have to wait
 *   BELAY_ECONTEXT   self is not the calling task, or a callback, or NULL on a worker thread
 *   BELAY_ECHILD     in a forked child */
BELAY_API belay_status belay_rwlock_read(belay_task *self, belay_rwlock *lock);
BELAY_API belay_status belay_rwlock_read_until(belay_task *self, belay_rwlock *lock,
                                               belay_time deadline);
BELAY_API belay_status belay_rwlock_try_read(belay_task *self, belay_rwlock *lock);
BELAY_API belay_status belay_rwlock_write(belay_task *self, belay_rwlock *lock);
BELAY_API belay_status belay_rwlock_write_until(belay_task *self, belay_rwlock *lock,
                                                belay_time deadline);
BELAY_API belay_status belay_rwlock_try_write(belay_task *self, belay_rwlock *lock);

/* Unlock. Do not wait. Reading may end elsewhere than it began; writing ends where it began. BELAY_OK; BELAY_EINVAL:
 * not held so (writing: not by the caller), or NULL; BELAY_ECONTEXT, BELAY_ECHILD. */
BELAY_API belay_status belay_rwlock_read_unlock(belay_task *self, belay_rwlock *lock);
BELAY_API belay_status belay_rwlock_write_unlock(belay_task *self, belay_rwlock *lock);

#ifdef __cplusplus
}
#endif
#endif
