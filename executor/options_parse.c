/* Numbers with units, durations, flags; and how near two names are.
 *
 * Letters compare without case, and in ASCII only, whatever the program's locale. A number that
 * does not fit 64 bits is no number, so nothing ever wraps. */
#include "options_parse.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

/* A name for a value. In a list of units, the larger come first, and the first name of one is the
 * one it is printed with. Lists end with a NULL name. */
typedef struct word {
    const char *name;
    int64_t value;
} word;

static const word count_units[] = {{"", 1}, {NULL, 0}};
static const word size_units[] = {
    {"G", 1 << 30}, {"GiB", 1 << 30}, {"M", 1 << 20}, {"MiB", 1 << 20},
    {"K", 1 << 10}, {"KiB", 1 << 10}, {"", 1},        {NULL, 0},
};
static const word duration_units[] = {
    {"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}, {"", 1}, {NULL, 0},
};
static const word flag_words[] = {
    {"0", 0},   {"1", 1},     {"no", 0},   {"yes", 1}, {"on", 1},
    {"off", 0}, {"false", 0}, {"true", 1}, {NULL, 0},
};
static const word display_words[] = {
    {"0", 0}, {"1", 1}, {"verbose", 2}, {"2", 2}, {NULL, 0},
};

static int lower(char c) {
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static bool same_word(const char *a, const char *b) {
    while (*a != '\0' && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}

static const word *word_find(const word *list, const char *name) {
    while (list->name != NULL && !same_word(list->name, name)) {
        list++;
    }
    return list->name != NULL ? list : NULL;
}

/* The units of a numeric kind; NULL for kinds made of words. */
static const word *kind_units(option_kind kind) {
    switch (kind) {
    case OPTION_COUNT:
        return count_units;
    case OPTION_SIZE:
        return size_units;
    case OPTION_DURATION:
        return duration_units;
    default:
        return NULL;
    }
}

/* The words of a kind that is made of them. */
static const word *kind_words(option_kind kind) {
    return kind == OPTION_FLAG ? flag_words : display_words;
}

/* Reads digits; *text is then what follows them. */
static bool digits_parse(const char **text, int64_t *out) {
    const char *at = *text;
    int64_t value = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *at - '0', &value)) {
            return false;
        }
    }
    bool any = at != *text;
    *text = at;
    *out = value;
    return any;
}

static bool number_parse(const char *text, const word *units, int64_t *out) {
    int64_t value;
    if (!digits_parse(&text, &value)) {
        return false;
    }
    const word *unit = word_find(units, text);
    return unit != NULL && !__builtin_mul_overflow(value, unit->value, out);
}

static bool word_parse(const char *text, const word *words, int64_t *out) {
    const word *found = word_find(words, text);
    if (found == NULL) {
        return false;
    }
    *out = found->value;
    return true;
}

bool option_accepts(const option *row, int64_t value) {
    return (value >= row->low && value <= row->high) || (row->zero_is_off && value == 0);
}

bool option_parse(const option *row, const char *text, int64_t *out) {
    const word *units = kind_units(row->kind);
    int64_t value;
    bool understood = units != NULL ? number_parse(text, units, &value)
                                    : word_parse(text, kind_words(row->kind), &value);
    if (!understood || !option_accepts(row, value)) {
        return false;
    }
    *out = value;
    return true;
}

void option_format(const option *row, int64_t value, char out[static OPTION_VALUE_SIZE]) {
    const word *unit = kind_units(row->kind);
    if (row->kind == OPTION_DISPLAY && value == 2) {
        snprintf(out, OPTION_VALUE_SIZE, "verbose");
        return;
    }
    if (unit == NULL || value == 0) {
        snprintf(out, OPTION_VALUE_SIZE, "%" PRId64, value);
        return;
    }
    while (value % unit->value != 0) {
        unit++; /* ends at the unit of 1, which every list has */
    }
    snprintf(out, OPTION_VALUE_SIZE, "%" PRId64 "%s", value / unit->value, unit->name);
}

/* What a number of this kind is, as the head of a sentence that goes on with its range. */
static const char *kind_noun(option_kind kind) {
    switch (kind) {
    case OPTION_SIZE:
        return "a number of bytes, or one with K, M or G,";
    case OPTION_DURATION:
        return "a number of nanoseconds, or one with ns, us, ms or s,";
    default:
        return "a whole number";
    }
}

void option_syntax(const option *row, char out[static OPTION_SYNTAX_SIZE]) {
    if (row->kind == OPTION_FLAG) {
        snprintf(out, OPTION_SYNTAX_SIZE, "0, 1, yes, no, on, off, true or false");
        return;
    }
    if (row->kind == OPTION_DISPLAY) {
        snprintf(out, OPTION_SYNTAX_SIZE, "0, 1 or verbose");
        return;
    }
    char low[OPTION_VALUE_SIZE];
    char high[OPTION_VALUE_SIZE];
    option_format(row, row->low, low);
    option_format(row, row->high, high);
    snprintf(out, OPTION_SYNTAX_SIZE, "%s%s from %s to %s", row->zero_is_off ? "0, or " : "",
             kind_noun(row->kind), low, high);
}

static unsigned least(unsigned a, unsigned b) {
    return a < b ? a : b;
}

/* One row of the table of distances between beginnings of two names: from the row for the letters
 * of a before `letter`, to the row with it. */
static void distance_step(unsigned *row, char letter, const char *b, size_t length) {
    unsigned diagonal = row[0];
    row[0]++;
    for (size_t j = 1; j <= length; j++) {
        unsigned replaced = diagonal + (letter != b[j - 1]);
        diagonal = row[j];
        row[j] = least(replaced, least(row[j], row[j - 1]) + 1);
    }
}

unsigned option_distance(const char *a, const char *b, unsigned limit) {
    size_t a_length = strlen(a);
    size_t b_length = strlen(b);
    CHECK(a_length <= OPTION_NAME_MAX && b_length <= OPTION_NAME_MAX);
    size_t difference = a_length > b_length ? a_length - b_length : b_length - a_length;
    if (difference > limit) {
        return (unsigned)difference;
    }
    unsigned row[OPTION_NAME_MAX + 1];
    for (unsigned j = 0; j <= b_length; j++) {
        row[j] = j;
    }
    for (size_t i = 0; i < a_length; i++) {
        distance_step(row, a[i], b, b_length);
    }
    return row[b_length];
}
