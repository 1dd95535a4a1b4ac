/* System calls as a task wants them: each returns 0 or the error number.
 *
 * A task may go on in another thread after any call that waits, and errno is the thread's. A
 * compiler may keep errno's address from before such a call, so code that waits must not read
 * it. These functions never wait in the library's sense, and live in a file of their own so that
 * they are not inlined into functions that do. An error number, being positive, is also a fit
 * result of a task. */
#ifndef BELAY_TREESUM_SYSTEM_H
#define BELAY_TREESUM_SYSTEM_H

#include <dirent.h>
#include <stddef.h>
#include <sys/stat.h>

enum entry_kind { ENTRY_FILE, ENTRY_DIRECTORY, ENTRY_LINK, ENTRY_OTHER };

struct entry {
    const char *name; /* valid until the next entry is read */
    enum entry_kind kind;
};

/* Opens a path of any length. The descriptor is the caller's to close. */
int system_open(const char *path, int flags, int *fd);
void system_close(int fd);

int system_read(int fd, void *buffer, size_t size, size_t *got);
int system_stat(int fd, struct stat *out);

/* What a path names; a symbolic link is not followed. */
int system_kind(const char *path, enum entry_kind *kind);

/* Opens a directory's stream; closedir ends it. Takes fd over in any case. */
int system_directory(int fd, DIR **stream);

/* The next entry, "." and ".." left out; its name is NULL at the end. */
int system_next(DIR *stream, struct entry *out);

/* How many descriptors this process may have open. */
size_t system_descriptors(void);

#endif
