/* The words for status codes. */
#include <belay/status.h>

const char *belay_status_text(belay_status status) {
    static const char *const text[] = {
        [BELAY_OK] = "success",
        [-BELAY_EINVAL] = "invalid argument",
        [-BELAY_ENOMEM] = "out of memory, or a configured limit is reached",
        [-BELAY_EAGAIN] = "not possible now, try again",
        [-BELAY_ECANCELED] = "cancelled",
        [-BELAY_ETIMEDOUT] = "deadline passed",
        [-BELAY_EBUSY] = "still busy, close again",
        [-BELAY_EDEADLK] = "would wait for itself",
        [-BELAY_ESTALE] = "stale handle",
        [-BELAY_ESHUTDOWN] = "sealed or shutting down",
        [-BELAY_EALREADY] = "already done by another",
        [-BELAY_ECONTEXT] = "not allowed in this context",
        [-BELAY_ECHILD] = "not usable in a forked child",
        [-BELAY_ENOSTACK] = "out of stacks",
        [-BELAY_ENOENT] = "no such entry",
        [-BELAY_EPIPE] = "closed at the other end",
        [-BELAY_ENOTREADY] = "ended before it was ready",
        [-BELAY_EOWNERDEAD] = "locked, but the last owner ended without unlocking",
        [-BELAY_EBADF] = "no open descriptor",
        [-BELAY_ESYSTEM] = "refused by the system",
    };
    const belay_status count = sizeof text / sizeof *text;
    if (status > 0) {
        return "program error";
    }
    return status > -count ? text[-status] : "unknown status";
}
