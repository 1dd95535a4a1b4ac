/* Paths: joined on the heap, as long as they need to be. PATH_MAX bounds one system call, not a
 * tree. */
#ifndef BELAY_TREESUM_PATH_H
#define BELAY_TREESUM_PATH_H

#include <stddef.h>

/* Bytes that path_join writes, the closing zero included. */
size_t path_join_size(const char *directory, const char *name);

/* Writes directory/name to out; just the name if the directory is "". */
void path_join(char *out, const char *directory, const char *name);

#endif
