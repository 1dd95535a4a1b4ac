/* Assertions, in three levels chosen at build time by BELAY_CHECKS: 0 off, 1 cheap (a compare of what
 * is in a register or a hot line), 2 full (walks lists, reads other cache lines). A failed one names the
 * place and aborts: it is our bug, never a user's mistake. */
#ifndef BELAY_BASE_CHECK_H
#define BELAY_BASE_CHECK_H

#ifndef BELAY_CHECKS
#define BELAY_CHECKS 1
#endif

_Noreturn void check_failed(const char *condition, const char *file, int line);

#define CHECK_ALWAYS(c)                                                                            \
    ((__builtin_expect(!!(c), 1)) ? (void)0 : check_failed(#c, __FILE__, __LINE__))

#if BELAY_CHECKS >= 1
#define CHECK(c) CHECK_ALWAYS(c)
#else
#define CHECK(c) ((void)sizeof(c))
#endif

/* For checks that are more than a condition. */
enum { CHECKS_FULL = BELAY_CHECKS >= 2 };

#if BELAY_CHECKS >= 2
#define CHECK_FULL(c) CHECK_ALWAYS(c)
#else
#define CHECK_FULL(c) ((void)sizeof(c))
#endif

#define likely(c) __builtin_expect(!!(c), 1)
#define unlikely(c) __builtin_expect(!!(c), 0)

#endif
