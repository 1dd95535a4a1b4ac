/* The command line. */
#ifndef BELAY_TREESUM_OPTIONS_H
#define BELAY_TREESUM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options {
    uint32_t jobs;      /* files in flight; 0: not given */
    double timeout;     /* seconds; 0: none */
    const char *output; /* NULL: standard output */
    bool quiet;
    char **roots;
    size_t root_count;
};

/* Reads the command line. Returns -1, or the exit status if there is nothing left to do: after
 * --help, or after a mistake, which it has reported. */
int options_parse(struct options *options, int argc, char **argv);

#endif
