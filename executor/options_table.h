/* The options table: one row for each option, from which everything else about options is made.
 *
 * The rows are constant. A row names its field by offset, so that code that treats all options
 * alike (merging, checking, displaying, documenting) needs no case for any of them. */
#ifndef BELAY_OPTIONS_TABLE_H
#define BELAY_OPTIONS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a value means, which decides its syntax. */
typedef enum option_kind {
    OPTION_COUNT,    /* a plain number */
    OPTION_SIZE,     /* bytes; K, M, G */
    OPTION_DURATION, /* nanoseconds; ns, us, ms, s */
    OPTION_FLAG,     /* 0 or 1, and the usual words for them */
    OPTION_DISPLAY   /* 0, 1, or 2 by the name of verbose */
} option_kind;

/* The default of an option that is not a constant: one per processor. */
#define OPTION_PER_PROCESSOR INT64_MIN
/* As many as there are workers. */
#define OPTION_PER_WORKER (INT64_MIN + 1)

typedef struct option {
    const char *variable; /* NULL: for the program only, no variable sets it */
    const char *field;    /* its name in belay_config */
    size_t offset;        /* its place there; always an int64_t */
    option_kind kind;
    bool zero_is_off; /* 0 is a value too, although below `low` */
    int64_t low;      /* both ends are values */
    int64_t high;
    int64_t initial; /* the default, or one of the above */
    const char *meaning;
    const char *advice; /* when to change it: docs/tuning.md */
} option;

#define OPTION_ROWS 16

extern const option option_table[OPTION_ROWS];

#endif
