/* The list of sums, as sha256sum writes it. */
#ifndef BELAY_TREESUM_OUTPUT_H
#define BELAY_TREESUM_OUTPUT_H

#include "ledger.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

struct output {
    FILE *stream;
    const char *name; /* for messages */
    struct stat status;
};

/* Opens the list before anything is read, so that a mistake in its name costs no time. name NULL:
 * standard output. 0 or an error number. */
int output_open(struct output *output, const char *name);

/* Is this file the list itself? It cannot hold its own sum. */
bool output_is(const struct output *output, const struct stat *file);

/* Writes the hashed files of a ledger, sorted by path, and closes the list: each list that was
 * opened is finished once. 0 or an error number. Only when no task is left: it reorders the
 * ledger. */
int output_finish(struct output *output, struct ledger *ledger);

#endif
