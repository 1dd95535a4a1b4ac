/* An event: something that happens, and that tasks and threads wait for.
 *
 * Manual: once set, it stays so until it is cleared, and lets everybody pass. Automatic: each set lets one pass, the
 * one that waits longest, or the next to come; sets that find it set already add nothing. */
#ifndef BELAY_EVENT_H
#define BELAY_EVENT_H

#include <belay/select.h>
#include <belay/task.h>
#include <belay/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum belay_event_reset { BELAY_EVENT_MANUAL = 0, BELAY_EVENT_AUTO = 1 } belay_event_reset;

typedef struct belay_event {
    uint64_t opaque[4]; /* the library's; not to be copied */
} belay_event;

/* An event that is not set; all zero is the same, manual. BELAY_OK, BELAY_EINVAL (NULL, unknown reset). Does not wait.
 * Any thread, any context. */
BELAY_API belay_status belay_event_init(belay_event *event, belay_event_reset reset);
/* BELAY_OK; BELAY_EBUSY: somebody is in a wait; BELAY_EINVAL. Does not wait. Any thread, any context. */
BELAY_API belay_status belay_event_fini(belay_event *event);

/* BELAY_OK, BELAY_EINVAL (NULL), BELAY_ECHILD. Do not wait. Any thread, any context. */
BELAY_API belay_status belay_event_set(belay_event *event);
BELAY_API belay_status belay_event_clear(belay_event *event);
/* A snapshot; false for NULL. Does not wait. Any thread, any context. What was done before the set is visible. */
BELAY_API bool belay_event_is_set(const belay_event *event);

/* Waits until it is set; an automatic one is clear afterwards. Waits: a schedule point if it must, a cancel point in
 * any case. From tasks and foreign threads (self NULL).
 *   BELAY_OK         it was set
 *   BELAY_ECANCELED  the caller is cancelled (also if it is set); an automatic event stays as it was
 *   BELAY_ETIMEDOUT  the deadline passed first (_until form; 0 polls)
 *   BELAY_EINVAL     event NULL
 *   BELAY_ECONTEXT   self is not the calling task, or a callback, or NULL on a worker thread
 *   BELAY_ECHILD     in a forked child */
BELAY_API belay_status belay_event_wait(belay_task *self, belay_event *event);
BELAY_API belay_status belay_event_wait_until(belay_task *self, belay_event *event,
                                              belay_time deadline);
/* The same if it is set: BELAY_EAGAIN if not. No cancel point. Any thread, any context. */
BELAY_API belay_status belay_event_try_wait(belay_event *event);

/* A clause of select: ready when belay_event_wait would not wait; takes effect like it. */
static inline belay_clause belay_on_event(belay_event *event) {
    belay_clause c;
    memset(&c, 0, sizeof c);
    c.kind = BELAY_CLAUSE_EVENT;
    c.object = event;
    return c;
}

#ifdef __cplusplus
}
#endif
#endif
