/* Joining paths as find does: a directory given with a slash at its end gets no second one. */
#include "path.h"

#include <stdbool.h>
#include <string.h>

static bool needs_slash(const char *directory) {
    size_t length = strlen(directory);
    return length > 0 && directory[length - 1] != '/';
}

size_t path_join_size(const char *directory, const char *name) {
    return strlen(directory) + (needs_slash(directory) ? 1 : 0) + strlen(name) + 1;
}

void path_join(char *out, const char *directory, const char *name) {
    out = stpcpy(out, directory);
    if (needs_slash(directory)) {
        *out++ = '/';
    }
    strcpy(out, name);
}
