/* Time: monotonic nanoseconds. Deadlines are absolute and travel unchanged through layers of calls. */
#ifndef BELAY_TIME_H
#define BELAY_TIME_H

#include <belay/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A point on the monotonic clock, in nanoseconds. As a deadline: BELAY_NEVER waits without end, 0 (or
 * any time that has passed) polls and never waits. */
typedef int64_t belay_time;

#define BELAY_NEVER INT64_MAX
#define BELAY_MICROSECOND INT64_C(1000)
#define BELAY_MILLISECOND INT64_C(1000000)
#define BELAY_SECOND INT64_C(1000000000)

/* The time now. Does not wait. Any thread, any context. */
BELAY_API belay_time belay_now(void);

/* The deadline `nanoseconds` from now, saturating at BELAY_NEVER; negative counts as 0. Does not wait.
 * Any thread, any context. */
BELAY_API belay_time belay_after(int64_t nanoseconds);

#ifdef __cplusplus
}
#endif
#endif
