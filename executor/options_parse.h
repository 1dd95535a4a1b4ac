/* Text to option values and back, and nothing else: pure functions of their arguments, without
 * memory, environment or output, so that tests can feed them strings. */
#ifndef BELAY_OPTIONS_PARSE_H
#define BELAY_OPTIONS_PARSE_H

#include "options_table.h"

/* Room for anything option_format writes. */
#define OPTION_VALUE_SIZE 24
/* Room for anything option_syntax writes. */
#define OPTION_SYNTAX_SIZE 128

/* Whether the value is one of the option's. */
bool option_accepts(const option *row, int64_t value);

/* Reads the whole text as a value of the option. False, with *out untouched, if it is not one:
 * nothing may precede or follow it, not even a space. */
bool option_parse(const option *row, const char *text, int64_t *out);

/* Writes the value the way option_parse reads it, with the largest unit that loses nothing. */
void option_format(const option *row, int64_t value, char out[static OPTION_VALUE_SIZE]);

/* Writes what option_parse accepts as half a sentence: "a whole number from 1 to 256". */
void option_syntax(const option *row, char out[static OPTION_SYNTAX_SIZE]);

/* Edits (insert, delete or replace a letter) that make one name of the other; any number above
 * `limit` is as good as another if there are more than that. Names have at most OPTION_NAME_MAX
 * letters. */
#define OPTION_NAME_MAX 63
unsigned option_distance(const char *a, const char *b, unsigned limit);

#endif
