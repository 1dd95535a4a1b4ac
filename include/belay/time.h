/* Time: monotonic nanoseconds. Deadlines are absolute and travel unchanged through layers of calls. */
#ifndef BELAY_TIME_H
#define BELAY_TIME_H

#include <belay/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A point on the monotonic clock, in nanoseconds. As a deadline of a call: BELAY_NEVER waits without end, 0 (or
 * any time that has passed) polls and never waits. In options structs, which a program begins with all zero, 0 is
 * "none" instead. No time that belay_now and belay_after return is 0: with `.deadline = belay_after(n)`, n may be 0
 * and the time is past; with `.deadline = t`, where 0 may mean "at once" to the caller, write t > 0 ? t : 1. */
typedef int64_t belay_time;

#define BELAY_NEVER INT64_MAX
#define BELAY_MICROSECOND INT64_C(1000)
#define BELAY_MILLISECOND INT64_C(1000000)
#define BELAY_SECOND INT64_C(1000000000)

/* The time now; greater than 0. Does not wait. Any thread, any context. */
BELAY_API belay_time belay_now(void);

/* The deadline `nanoseconds` from now, saturating at BELAY_NEVER; negative counts as 0 from now. Does not wait.
 * Any thread, any context. */
BELAY_API belay_time belay_after(int64_t nanoseconds);

#ifdef __cplusplus
}
#endif
#endif
