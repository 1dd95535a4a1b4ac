/* The list of sums. A line is the sum, two spaces and the path; if the path has a character that
 * would break the line, that character is escaped and the line begins with a backslash. */
#include "output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int output_open(struct output *output, const char *name) {
    output->stream = name == NULL ? stdout : fopen(name, "we");
    output->name = name == NULL ? "standard output" : name;
    if (output->stream == NULL || fstat(fileno(output->stream), &output->status) != 0) {
        return errno;
    }
    return 0;
}

bool output_is(const struct output *output, const struct stat *file) {
    return S_ISREG(output->status.st_mode) && output->status.st_dev == file->st_dev &&
           output->status.st_ino == file->st_ino;
}

static int compare_paths(const void *left, const void *right) {
    const struct file *const *a = left;
    const struct file *const *b = right;
    return strcmp((*a)->path, (*b)->path);
}

static void put_digest(FILE *stream, const unsigned char *digest) {
    static const char digits[] = "0123456789abcdef";
    char text[2 * LEDGER_DIGEST];
    for (size_t i = 0; i < LEDGER_DIGEST; i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 15];
    }
    fwrite(text, 1, sizeof(text), stream);
}

static void put_escaped(FILE *stream, const char *path) {
    for (; *path != '\0'; path++) {
        switch (*path) {
        case '\\':
            fputs("\\\\", stream);
            break;
        case '\n':
            fputs("\\n", stream);
            break;
        case '\r':
            fputs("\\r", stream);
            break;
        default:
            putc(*path, stream);
        }
    }
}

static void put_line(FILE *stream, const struct file *file) {
    if (strpbrk(file->path, "\\\n\r") != NULL) {
        putc('\\', stream);
    }
    put_digest(stream, file->digest);
    fputs("  ", stream);
    put_escaped(stream, file->path);
    putc('\n', stream);
}

static int put_lines(FILE *stream, const struct ledger *ledger) {
    for (size_t i = 0; i < ledger->totals.found; i++) {
        if (ledger->files[i]->state == FILE_HASHED) {
            put_line(stream, ledger->files[i]);
        }
        if (ferror(stream)) {
            return errno;
        }
    }
    return 0;
}

int output_finish(struct output *output, struct ledger *ledger) {
    if (ledger->totals.found > 0) {
        qsort(ledger->files, ledger->totals.found, sizeof(struct file *), compare_paths);
    }
    int error = put_lines(output->stream, ledger);
    if (fclose(output->stream) != 0 && error == 0) {
        error = errno;
    }
    return error;
}
