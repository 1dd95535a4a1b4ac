/* Something that is done once: who comes first does it, others wait until it is done.
 *
 * If it fails, or is cancelled, the next one tries: the once is done when the function has returned BELAY_OK for the
 * first time, and then for ever. After OnceCell::get_or_try_init in Rust. */
#ifndef BELAY_ONCE_H
#define BELAY_ONCE_H

#include <belay/task.h>
#include <belay/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct belay_once {
    uint64_t opaque[5]; /* the library's; not to be copied */
} belay_once;

/* A once that is not done; all zero is the same. */
#define BELAY_ONCE_INIT                                                                            \
    {                                                                                              \
        { 0 }                                                                                      \
    }

/* BELAY_OK, BELAY_EINVAL (NULL). Does not wait. Any thread, any context. */
BELAY_API belay_status belay_once_init(belay_once *once);
/* BELAY_OK; BELAY_EBUSY: somebody is in a run; BELAY_EINVAL. Does not wait. Any thread, any context. */
BELAY_API belay_status belay_once_fini(belay_once *once);

/* Sees to it that body(self, arg) has succeeded once. It runs as a part of the caller, on its stack, under no lock, and
 * may wait if the caller may. Waits: a schedule point if another runs it, a cancel point in any case. From tasks and
 * foreign threads (self NULL; the body then gets NULL as well).
 *   BELAY_OK         it is done, by this call or another; what the body wrote is visible
 *   any other        what the body returned to this call; the next one tries
 *   BELAY_ECANCELED  the caller is cancelled (also if it is done), or the body said so
 *   BELAY_ETIMEDOUT  the deadline passed while another ran it (_until form; 0 polls), or the body said so
 *   BELAY_EDEADLK    the caller runs it: called from inside the body
 *   BELAY_EINVAL     once or body NULL
 *   BELAY_ECONTEXT   self is not the calling task, or a callback, or NULL on a worker thread
 *   BELAY_ECHILD     in a forked child */
BELAY_API belay_status belay_once_run(belay_task *self, belay_once *once, belay_body *body,
                                      void *arg);
BELAY_API belay_status belay_once_run_until(belay_task *self, belay_once *once, belay_body *body,
                                            void *arg, belay_time deadline);
/* The same, but BELAY_EAGAIN if another runs it. No cancel point, unless the body is. From tasks and foreign
 * threads. */
BELAY_API belay_status belay_once_try_run(belay_task *self, belay_once *once, belay_body *body,
                                          void *arg);

/* Is it done? What the body wrote is visible then. false for NULL. Does not wait. Any thread, any context. */
BELAY_API bool belay_once_is_done(const belay_once *once);

#ifdef __cplusplus
}
#endif
#endif
