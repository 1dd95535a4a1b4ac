/* Periodic ticks: arithmetic on top of sleep. */
#include <belay/task.h>
#include <belay/ticker.h>

belay_status belay_ticker_init(belay_ticker *ticker, int64_t period, belay_tick_mode mode) {
    if (ticker == NULL || period <= 0 || (unsigned)mode > BELAY_TICK_CATCH_UP) {
        return BELAY_EINVAL;
    }
    *ticker = (belay_ticker){.next = belay_after(period), .period = period, .mode = mode};
    return BELAY_OK;
}

/* Saturates. */
static belay_time later(belay_time from, int64_t period, uint64_t times) {
    int64_t ahead;
    belay_time at;
    bool over =
        __builtin_mul_overflow(times, period, &ahead) || __builtin_add_overflow(from, ahead, &at);
    return over ? BELAY_NEVER : at;
}

/* The tick is due. Returns how many others, too, which are left out. */
static uint64_t take(belay_ticker *ticker) {
    uint64_t missed = 0;
    if (ticker->mode == BELAY_TICK_SKIP) {
        belay_time late = belay_now() - ticker->next;
        missed = late > 0 ? (uint64_t)(late / ticker->period) : 0;
    }
    ticker->next = later(ticker->next, ticker->period, missed + 1);
    return missed;
}

belay_status belay_ticker_wait_until(belay_task *self, belay_ticker *ticker, belay_time deadline,
                                     uint64_t *missed) {
    if (ticker == NULL || ticker->period <= 0) {
        return BELAY_EINVAL;
    }
    bool in_time = ticker->next <= deadline || ticker->next <= belay_now();
    belay_status status = belay_sleep_until(self, in_time ? ticker->next : deadline);
    if (status != BELAY_OK) {
        return status;
    }
    if (!in_time) {
        return BELAY_ETIMEDOUT;
    }
    uint64_t left_out = take(ticker);
    if (missed != NULL) {
        *missed = left_out;
    }
    return BELAY_OK;
}

belay_status belay_ticker_wait(belay_task *self, belay_ticker *ticker, uint64_t *missed) {
    return belay_ticker_wait_until(self, ticker, BELAY_NEVER, missed);
}
