/* The command line: each value is read whole, or refused with a line that says what is expected. */
#include "options.h"

#include "status.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define JOBS_MAX 100000
#define TIMEOUT_MAX 1e9

static const char usage[] =
    "usage: treesum [OPTION]... FILE-OR-DIRECTORY...\n"
    "Prints the SHA-256 sums of all regular files below the directories, sorted by path, in the\n"
    "format of sha256sum, whose option -c verifies them. Symbolic links are not followed.\n"
    "\n"
    "  -j, --jobs N           files in flight at once (4 for each worker thread)\n"
    "  -t, --timeout SECONDS  give up after this time, fractions allowed\n"
    "  -o, --output FILE      write the list to FILE, which is itself left out of it\n"
    "  -q, --quiet            no progress, no closing line; errors are still reported\n"
    "  -h, --help             print this\n"
    "\n"
    "Exit status: 0 all files are in the list, 1 some could not be read or the list not written,\n"
    "2 wrong usage or no start, 124 timed out, 130 interrupted.\n"
    "The number of worker threads is BELAY_WORKERS in the environment, else that of the CPUs.\n";

static const struct option long_options[] = {
    {"jobs", required_argument, NULL, 'j'},   {"timeout", required_argument, NULL, 't'},
    {"output", required_argument, NULL, 'o'}, {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
};

static int complain(const char *option, const char *value, const char *expected) {
    fprintf(stderr, "treesum: %s '%s': expected %s\n", option, value, expected);
    return STATUS_USAGE;
}

static int parse_jobs(struct options *options, const char *text) {
    char *end;
    errno = 0;
    long jobs = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || jobs < 1 || jobs > JOBS_MAX) {
        return complain("--jobs", text, "a number from 1 to 100000");
    }
    options->jobs = (uint32_t)jobs;
    return -1;
}

static int parse_timeout(struct options *options, const char *text) {
    char *end;
    double seconds = strtod(text, &end);
    if (end == text || *end != '\0' || !(seconds > 0 && seconds <= TIMEOUT_MAX)) {
        return complain("--timeout", text, "seconds, more than 0");
    }
    options->timeout = seconds;
    return -1;
}

static int parse_option(struct options *options, int letter) {
    switch (letter) {
    case 'j':
        return parse_jobs(options, optarg);
    case 't':
        return parse_timeout(options, optarg);
    case 'o':
        options->output = optarg;
        return -1;
    case 'q':
        options->quiet = true;
        return -1;
    case 'h':
        fputs(usage, stdout);
        return STATUS_OK;
    default:
        fputs("Try 'treesum --help'.\n", stderr);
        return STATUS_USAGE;
    }
}

int options_parse(struct options *options, int argc, char **argv) {
    *options = (struct options){0};
    int letter;
    while ((letter = getopt_long(argc, argv, "j:t:o:qh", long_options, NULL)) != -1) {
        int status = parse_option(options, letter);
        if (status >= 0) {
            return status;
        }
    }
    options->roots = argv + optind;
    options->root_count = (size_t)(argc - optind);
    if (options->root_count == 0) {
        fputs("treesum: no file or directory given\nTry 'treesum --help'.\n", stderr);
        return STATUS_USAGE;
    }
    return -1;
}
