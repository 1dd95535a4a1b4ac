/* Merging program, environment and defaults into what an executor runs with.
 *
 * In this order, for each row of the table: the program's field if it is set, else the variable,
 * else the default. All rows are decided before anything is printed, because two of them (strict,
 * display_env) say what is printed and how it ends. Nothing is kept between calls, so executors may
 * be created on several threads at once. */
#include "options.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "options_parse.h"
#include "port/port.h"

/* Longest line handed to a log hook, and most of a variable's value shown in one. */
#define LINE_SIZE 512
#define SHOWN_MAX 64

typedef enum origin { ORIGIN_DEFAULT, ORIGIN_ENVIRONMENT, ORIGIN_PROGRAM } origin;

/* How one row was decided. */
typedef struct decision {
    origin from;
    bool misused;         /* the program's value is not one of the option's */
    const char *rejected; /* the variable's text, if it was not understood; else NULL */
} decision;

/* A merge in progress. `config` starts as the program's and ends with no integer field unset. */
typedef struct merge {
    belay_config config;
    decision rows[OPTION_ROWS];
    options *out; /* its log hook is set before all else */
    bool failed;
} merge;

/* ---- the log --------------------------------------------------------------------------------- */

static void log_to_stderr(belay_log_level level, const char *line, void *arg) {
    (void)level;
    (void)arg;
    port_log_stderr(line);
}

/* Whatever a user put into a name or a variable, a line stays one and a terminal stays sane. */
static void make_printable(char *text) {
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f) {
            *text = '?';
        }
    }
}

static void log_line(const options *o, belay_log_level level, const char *format, va_list list) {
    char line[LINE_SIZE];
    int length = vsnprintf(line, sizeof line, format, list);
    if (length < 0) {
        return;
    }
    if ((size_t)length >= sizeof line) {
        memcpy(line + sizeof line - sizeof "...", "...", sizeof "...");
    }
    make_printable(line);
    o->log(level, line, o->log_arg);
}

void options_log(const options *o, belay_log_level level, const char *format, ...) {
    if (o->log_is_default) {
        return;
    }
    va_list list;
    va_start(list, format);
    log_line(o, level, format, list);
    va_end(list);
}

/* The same for what even the default hook prints. */
__attribute__((format(printf, 3, 4))) static void say(const options *o, belay_log_level level,
                                                      const char *format, ...) {
    va_list list;
    va_start(list, format);
    log_line(o, level, format, list);
    va_end(list);
}

/* ---- the program's struct -------------------------------------------------------------------- */

/* The bytes before the first option: what every version of the struct has. */
#define CONFIG_HEAD offsetof(belay_config, workers)

void belay_config_init_layout(belay_config *config, size_t size, uint32_t layout) {
    if (config == NULL) {
        return;
    }
    belay_config initial = {.size = size <= UINT32_MAX ? (uint32_t)size : 0, .layout = layout};
    for (size_t i = 0; i < OPTION_ROWS; i++) {
        int64_t unset = BELAY_UNSET;
        memcpy((char *)&initial + option_table[i].offset, &unset, sizeof unset);
    }
    /* A size that no version of the struct has is written down all the same: create refuses it. */
    size_t known = size < sizeof initial ? size : sizeof initial;
    memcpy(config, &initial, known > CONFIG_HEAD ? known : CONFIG_HEAD);
}

/* Takes the fields the program's version of the struct has; the others stay unset. False if the
 * struct was never initialised: its size is not that of any version, or its layout is another. */
static bool config_take(const belay_config *from, belay_config *to) {
    belay_config_init(to, sizeof *to);
    if (from == NULL) {
        return true;
    }
    bool plausible = from->size > CONFIG_HEAD && from->size % _Alignof(belay_config) == 0;
    if (!plausible || from->layout != BELAY_LAYOUT) {
        return false;
    }
    memcpy(to, from, from->size < sizeof *to ? from->size : sizeof *to);
    return (to->allocate == NULL) == (to->release == NULL);
}

static int64_t field_read(const belay_config *config, const option *row) {
    int64_t value;
    memcpy(&value, (const char *)config + row->offset, sizeof value);
    return value;
}

static void field_write(belay_config *config, const option *row, int64_t value) {
    memcpy((char *)config + row->offset, &value, sizeof value);
}

/* ---- deciding -------------------------------------------------------------------------------- */

/* What it depends on was decided before. */
static int64_t default_value(const belay_config *config, const option *row) {
    if (row->initial == OPTION_PER_WORKER) {
        return config->workers < row->high ? config->workers : row->high;
    }
    if (row->initial != OPTION_PER_PROCESSOR) {
        return row->initial;
    }
    int64_t processors = port_cpu_count();
    return processors < row->high ? processors : row->high;
}

/* Decides a row the program left unset. */
static decision decide_unset(belay_config *config, const option *row) {
    const char *text = NULL;
    if (row->variable != NULL && config->ignore_env != 1) {
        text = port_env_get(row->variable);
    }
    int64_t value;
    if (text != NULL && option_parse(row, text, &value)) {
        field_write(config, row, value);
        return (decision){.from = ORIGIN_ENVIRONMENT};
    }
    field_write(config, row, default_value(config, row));
    return (decision){.from = ORIGIN_DEFAULT, .rejected = text};
}

static decision decide(belay_config *config, const option *row) {
    int64_t value = field_read(config, row);
    if (value == BELAY_UNSET) {
        return decide_unset(config, row);
    }
    return (decision){.from = ORIGIN_PROGRAM, .misused = !option_accepts(row, value)};
}

/* ---- reporting ------------------------------------------------------------------------------- */

/* For the programmer, so numbers as the field takes them; the default hook does not print it. */
static void report_misused(const options *o, const option *row, int64_t value) {
    options_log(o, BELAY_LOG_ERROR,
                "belay: config.%s = %" PRId64 " is out of range: expected %s%" PRId64
                " to %" PRId64,
                row->field, value, row->zero_is_off ? "0, or " : "", row->low, row->high);
}

/* The one line of a bad variable. */
static void report_rejected(const merge *m, const option *row, const char *text) {
    char syntax[OPTION_SYNTAX_SIZE];
    char used[OPTION_VALUE_SIZE];
    option_syntax(row, syntax);
    option_format(row, field_read(&m->config, row), used);
    const char *cut = strlen(text) > SHOWN_MAX ? "..." : "";
    if (m->config.strict == 1) {
        say(m->out, BELAY_LOG_ERROR,
            "belay: bad value %s=%.*s%s: expected %s; refused because of strict (the default is "
            "%s)",
            row->variable, SHOWN_MAX, text, cut, syntax, used);
    } else {
        say(m->out, BELAY_LOG_WARNING,
            "belay: bad value %s=%.*s%s: expected %s; using the default, %s", row->variable,
            SHOWN_MAX, text, cut, syntax, used);
    }
}

static void report_row(merge *m, const option *row, const decision *d) {
    if (d->misused) {
        report_misused(m->out, row, field_read(&m->config, row));
        m->failed = true;
    }
    if (d->rejected != NULL) {
        report_rejected(m, row, d->rejected);
        m->failed = m->failed || m->config.strict == 1;
    }
}

/* ---- variables nobody knows ------------------------------------------------------------------ */

/* More edits than this and a name is somebody else's. */
#define NEAR_EDITS 2

/* The known variable nearest to the name; NULL if none is near, or if it is itself known. */
static const char *nearest_variable(const char *name) {
    const char *nearest = NULL;
    unsigned best = NEAR_EDITS + 1;
    for (size_t i = 0; i < OPTION_ROWS; i++) {
        const char *known = option_table[i].variable;
        unsigned edits = known != NULL ? option_distance(name, known, NEAR_EDITS) : best;
        if (edits < best) {
            best = edits;
            nearest = known;
        }
    }
    return best > 0 ? nearest : NULL;
}

/* Called for each NAME=VALUE in the environment; arg is the options whose hook gets the line. */
static void report_unknown(const char *entry, void *arg) {
    char name[OPTION_NAME_MAX + 1];
    size_t length = strcspn(entry, "=");
    if (length > OPTION_NAME_MAX) {
        return;
    }
    memcpy(name, entry, length);
    name[length] = '\0';
    const char *nearest = nearest_variable(name);
    if (nearest != NULL) {
        say(arg, BELAY_LOG_WARNING,
            "belay: %s is no variable of belay and is ignored; is %s meant?", name, nearest);
    }
}

/* ---- display --------------------------------------------------------------------------------- */

static const char *origin_text(origin from) {
    static const char *const text[] = {
        [ORIGIN_DEFAULT] = "default",
        [ORIGIN_ENVIRONMENT] = "environment",
        [ORIGIN_PROGRAM] = "program",
    };
    return text[from];
}

static void display_row(const merge *m, const option *row, const decision *d) {
    char value[OPTION_VALUE_SIZE];
    if (m->config.display_env < 2 && d->from == ORIGIN_DEFAULT) {
        return;
    }
    option_format(row, field_read(&m->config, row), value);
    say(m->out, BELAY_LOG_INFO, "belay: %s=%s (%s)",
        row->variable != NULL ? row->variable : row->field, value, origin_text(d->from));
}

/* What is no number and has no row. */
static void display_rest(const merge *m) {
    bool verbose = m->config.display_env == 2;
    if (verbose || m->config.name != NULL) {
        say(m->out, BELAY_LOG_INFO, "belay: name=%s (%s)", m->out->name,
            m->config.name != NULL ? "program" : "default");
    }
    if (verbose || m->config.allocate != NULL) {
        bool hooked = m->config.allocate != NULL;
        say(m->out, BELAY_LOG_INFO, "belay: allocator=%s (%s)",
            hooked ? "hook" : allocator_default_name(), hooked ? "program" : "default");
    }
}

static void display(const merge *m) {
    if (m->config.display_env != 1 && m->config.display_env != 2) {
        return;
    }
    for (size_t i = 0; i < OPTION_ROWS; i++) {
        display_row(m, &option_table[i], &m->rows[i]);
    }
    display_rest(m);
}

/* ---- the result ------------------------------------------------------------------------------ */

static void take_hooks(const belay_config *config, options *out) {
    out->log_is_default = config->log == NULL;
    out->log = config->log != NULL ? config->log : log_to_stderr;
    out->log_arg = config->log_arg;
    out->thread_start = config->thread_start;
    out->thread_stop = config->thread_stop;
    out->thread_arg = config->thread_arg;
    out->unobserved = config->unobserved;
    out->unobserved_arg = config->unobserved_arg;
    out->deadlock = config->deadlock;
    out->deadlock_arg = config->deadlock_arg;
    if (config->allocate != NULL) {
        out->alloc = (allocator){config->allocate, config->release, config->allocator_arg};
    } else {
        out->alloc = *allocator_default();
    }
}

static void take_name(const char *name, options *out) {
    snprintf(out->name, sizeof out->name, "%s", name != NULL ? name : "belay");
    make_printable(out->name);
}

/* The ranges of the table make every conversion exact. */
static void take_values(const belay_config *config, options *out) {
    out->workers = (uint32_t)config->workers;
    out->stack_size = (uint64_t)config->stack_size;
    out->stack_cache = (uint32_t)config->stack_cache;
    out->max_stacks = (uint32_t)config->max_stacks;
    out->max_tasks = (uint32_t)config->max_tasks;
    out->max_scopes = (uint32_t)config->max_scopes;
    out->spin = config->spin;
    out->membarrier = config->membarrier == 1;
    out->stall = config->stall;
    out->idle_report = config->idle_report;
    out->fork_depth = (uint32_t)config->fork_depth;
    out->blocking_threads = (uint32_t)config->blocking_threads;
    out->spare_workers = (uint32_t)config->spare_workers;
}

belay_status options_resolve(const belay_config *config, options *out) {
    options result = {0};
    merge m = {.out = &result};
    CHECK(out != NULL);
    if (!config_take(config, &m.config)) {
        return BELAY_EINVAL;
    }
    take_hooks(&m.config, &result);
    take_name(m.config.name, &result);
    for (size_t i = 0; i < OPTION_ROWS; i++) {
        m.rows[i] = decide(&m.config, &option_table[i]);
    }
    for (size_t i = 0; i < OPTION_ROWS; i++) {
        report_row(&m, &option_table[i], &m.rows[i]);
    }
    if (m.config.ignore_env != 1) {
        port_env_each("BELAY_", report_unknown, &result);
    }
    display(&m);
    if (m.failed) {
        return BELAY_EINVAL;
    }
    take_values(&m.config, &result);
    *out = result;
    return BELAY_OK;
}
