/* Errors of tasks, as reports list them. */
#ifndef BELAY_FAILURE_H
#define BELAY_FAILURE_H

#include <belay/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An error that a task ended with. */
typedef struct belay_failure {
    belay_status status;
    const char *name; /* as given to spawn, or NULL */
    const char *site; /* "body@file.c:42" */
} belay_failure;

enum { BELAY_FAILURES_LISTED = 8 };

/* The errors of a scope's members: the first ones in the order in which they came, and how many more there were. A
 * member's own cancellation is no error. After a failed allocation fewer are listed, and the others counted. */
typedef struct belay_failures {
    uint32_t listed; /* entries of list that are filled */
    uint64_t more;   /* errors that are not in the list */
    belay_failure list[BELAY_FAILURES_LISTED];
} belay_failures;

/* Hears of an error that nobody else does; see belay_config. May call what does not wait. */
typedef void belay_unobserved_hook(const belay_failure *failure, void *arg);

#ifdef __cplusplus
}
#endif
#endif
