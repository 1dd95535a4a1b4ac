/* Standard error: messages, the progress line, the closing line.
 *
 * Safe from any thread. A message clears the progress line first; the next tick draws it again. */
#ifndef BELAY_TREESUM_CONSOLE_H
#define BELAY_TREESUM_CONSOLE_H

#include "ledger.h"

#include <belay/belay.h>

/* "treesum: path: why". Control characters in the path are shown as '?'. */
void console_error(const char *path, const char *why);

/* The same; status is an error number, or one of belay's. */
void console_failure(const char *path, belay_status status);

/* "treesum: text", in printf's way. */
void console_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Draws the progress line if standard error is a terminal. */
void console_progress(struct totals now);
void console_progress_end(void);

/* The closing line, from the executor's own counters. Call it when no task is left. */
void console_summary(const belay_executor *executor);

#endif
