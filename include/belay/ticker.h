/* Periodic ticks: a rhythm that does not drift, whatever the work in between takes.
 *
 *     belay_ticker ticker;
 *     belay_ticker_init(&ticker, BELAY_SECOND, BELAY_TICK_SKIP);
 *     while (belay_ticker_wait(self, &ticker, NULL) == BELAY_OK) ...
 *
 * Ticks lie at the start plus multiples of the period. A ticker belongs to one task (or thread) at a time and holds
 * nothing: it needs no end. */
#ifndef BELAY_TICKER_H
#define BELAY_TICKER_H

#include <belay/handle.h>
#include <belay/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What becomes of ticks that went by while nobody waited. */
typedef enum belay_tick_mode {
    BELAY_TICK_SKIP = 0, /* they are counted and left out */
    BELAY_TICK_CATCH_UP  /* each is delivered, one wait after the other, at once */
} belay_tick_mode;

typedef struct belay_ticker {
    belay_time next; /* the tick to come */
    int64_t period;
    belay_tick_mode mode;
} belay_ticker;

/* The first tick is one period from now. BELAY_OK, BELAY_EINVAL (NULL, a period that is not positive, an unknown mode).
 * Does not wait. Any thread. */
BELAY_API belay_status belay_ticker_init(belay_ticker *ticker, int64_t period,
                                         belay_tick_mode mode);

/* Waits for the next tick. Waits: a schedule point and a cancel point. From tasks and foreign threads. *missed (may be
 * NULL): how many ticks before this one were left out.
 *   BELAY_OK         the tick is due; the next one comes after it
 *   BELAY_ECANCELED  the caller is cancelled; the tick is still to come
 *   BELAY_ETIMEDOUT  the deadline passed first (_until form); the tick is still to come
 *   BELAY_EINVAL     NULL, or not initialised
 *   BELAY_ECONTEXT, BELAY_ECHILD */
BELAY_API belay_status belay_ticker_wait(belay_task *self, belay_ticker *ticker, uint64_t *missed);
BELAY_API belay_status belay_ticker_wait_until(belay_task *self, belay_ticker *ticker,
                                               belay_time deadline, uint64_t *missed);

#ifdef __cplusplus
}
#endif
#endif
