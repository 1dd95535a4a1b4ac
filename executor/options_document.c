/* docs/tuning.md, printed from the options table. A test compares the two. */
#include <stdarg.h>
#include <stdio.h>

#include "options.h"
#include "options_parse.h"

typedef struct printer {
    void (*line)(const char *text, void *arg);
    void *arg;
} printer;

static const char *const introduction[] = {
    "# Tuning",
    "",
    "<!-- Printed from executor/options_table.c: change that, and print this anew with",
    "     options_tuning_doc_test --write docs/tuning.md -->",
    "",
    "The defaults suit most programs. What can be changed has a field in `belay_config` and a",
    "variable in the environment. A field that the program sets wins; the variable fills a field",
    "left unset; the default fills the rest. A program that sets `ignore_env` to 1 reads no",
    "variable.",
    "",
    "    BELAY_DISPLAY_ENV=verbose ./program     # prints every value and where it came from",
    "    BELAY_WORKERS=4 BELAY_SPIN=50us ./program",
    "",
    "A value is read whole, without spaces, and letters may be of either case:",
    "",
    "- a count is a plain number;",
    "- a size is in bytes, or has a unit of 1024: `K`, `M`, `G`, also written `KiB`, `MiB`, `GiB`;",
    "- a duration is in nanoseconds, or has a unit: `ns`, `us`, `ms`, `s`;",
    "- a flag is `0`, `no`, `off`, `false` or `1`, `yes`, `on`, `true`.",
    "",
    "A field takes the number alone, in bytes or nanoseconds, and 0 or 1 for a flag. A field out",
    "of range makes `belay_executor_create` fail with `BELAY_EINVAL`. A bad variable is reported",
    "in one line, through the log hook or else on standard error, and the default is used, or,",
    "with `BELAY_STRICT=1`, create fails with `BELAY_EINVAL`. A `BELAY_` variable that does not",
    "exist is reported if its name is within two letters of one that does.",
    "",
    "| Variable | Field | Default | Accepted | Meaning |",
    "|---|---|---|---|---|",
    NULL,
};

static const char *const conclusion[] = {
    "",
    "## What only a program sets",
    "",
    "`name` appears in reports and in the names of threads; it is copied and cut to 31 bytes. The",
    "hooks (`allocate` and `release`, `log`, `thread_start` and `thread_stop`) are described in",
    "`belay/config.h`.",
    NULL,
};

static void print_lines(const printer *to, const char *const *lines) {
    for (; *lines != NULL; lines++) {
        to->line(*lines, to->arg);
    }
}

__attribute__((format(printf, 2, 3))) static void print(const printer *to, const char *format,
                                                        ...) {
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    to->line(text, to->arg);
}

static void print_row(const printer *to, const option *row) {
    char initial[OPTION_VALUE_SIZE] = "one per processor";
    char syntax[OPTION_SYNTAX_SIZE];
    if (row->initial == OPTION_PER_WORKER) {
        snprintf(initial, sizeof initial, "one per worker");
    } else if (row->initial != OPTION_PER_PROCESSOR) {
        option_format(row, row->initial, initial);
    }
    option_syntax(row, syntax);
    print(to, "| %s | `%s` | %s | %s | %s |", row->variable != NULL ? row->variable : "none",
          row->field, initial, row->variable != NULL ? syntax : "0 or 1", row->meaning);
}

void options_document(void (*line)(const char *text, void *arg), void *arg) {
    const printer to = {line, arg};
    print_lines(&to, introduction);
    for (size_t i = 0; i < OPTION_ROWS; i++) {
        print_row(&to, &option_table[i]);
    }
    print(&to, "%s", "");
    print(&to, "## When to change what");
    for (size_t i = 0; i < OPTION_ROWS; i++) {
        const option *row = &option_table[i];
        print(&to, "%s", "");
        print(&to, "**%s**: %s", row->variable != NULL ? row->variable : row->field, row->advice);
    }
    print_lines(&to, conclusion);
}
