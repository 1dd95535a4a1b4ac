/* Standard error. One lock keeps lines whole and guards progress_shown; no task waits under it. */
#include "console.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MEBIBYTE (1024.0 * 1024.0)

static pthread_mutex_t console = PTHREAD_MUTEX_INITIALIZER;
static bool progress_shown; /* under console */

static void begin_line(void) {
    pthread_mutex_lock(&console);
    fputs(progress_shown ? "\r\033[K" : "", stderr);
    progress_shown = false;
}

static void end_line(void) {
    fputc('\n', stderr);
    pthread_mutex_unlock(&console);
}

/* A file's name may hold what moves a terminal's cursor, or worse. */
static void put_visible(const char *text) {
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        fputc(c < 0x20 || c == 0x7f ? '?' : c, stderr);
    }
}

void console_error(const char *path, const char *why) {
    begin_line();
    fputs("treesum: ", stderr);
    put_visible(path);
    fprintf(stderr, ": %s", why);
    end_line();
}

void console_failure(const char *path, belay_status status) {
    console_error(path, status > 0 ? strerror(status) : belay_status_text(status));
}

void console_note(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    begin_line();
    fputs("treesum: ", stderr);
    vfprintf(stderr, format, arguments);
    end_line();
    va_end(arguments);
}

void console_progress(struct totals now) {
    if (!isatty(STDERR_FILENO)) {
        return;
    }
    pthread_mutex_lock(&console);
    fprintf(stderr, "\r\033[Ktreesum: %zu of %zu files, %.1f MiB", now.settled, now.found,
            (double)now.bytes / MEBIBYTE);
    fflush(stderr);
    progress_shown = true;
    pthread_mutex_unlock(&console);
}

void console_progress_end(void) {
    begin_line();
    pthread_mutex_unlock(&console);
}

static double resident_peak(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (double)usage.ru_maxrss / 1024.0 : 0.0;
}

void console_summary(const belay_executor *executor) {
    belay_stats stats;
    belay_status status = belay_executor_stats(executor, &stats, sizeof(stats));
    if (status != BELAY_OK) {
        console_note("no counters: %s", belay_status_text(status));
        return;
    }
    console_note("tasks: %" PRIu64 " spawned, %" PRIu64 " finished, %" PRIu64 " cancelled, %" PRIu64
                 " alive, %" PRIu64 " steals; peak memory: %.1f MiB for tasks, %.1f MiB in all",
                 stats.spawned, stats.value + stats.error, stats.canceled + stats.skipped,
                 stats.alive, stats.steals, (double)stats.memory_peak / MEBIBYTE, resident_peak());
}
