/* System calls as a task wants them. Signals may be handled in any thread of a host, so EINTR is
 * tried again wherever it can come. */
#define _GNU_SOURCE 1 /* O_PATH */

#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int open_at(int at, const char *path, int flags, int *fd) {
    do {
        *fd = openat(at, path, flags | O_CLOEXEC);
    } while (*fd < 0 && errno == EINTR);
    return *fd < 0 ? errno : 0;
}

/* The longest part of an over-long path that the kernel accepts and that ends before a slash. */
static size_t acceptable_prefix(const char *path) {
    size_t length = PATH_MAX - 1;
    while (length > 0 && path[length] != '/') {
        length--;
    }
    return length;
}

/* Opens the first part of *path below `at` and moves *path behind it. */
static int descend(int at, const char **path, int *fd) {
    size_t length = acceptable_prefix(*path);
    if (length == 0) {
        return ENAMETOOLONG;
    }
    char *prefix = strndup(*path, length);
    if (prefix == NULL) {
        return ENOMEM;
    }
    int error = open_at(at, prefix, O_PATH | O_DIRECTORY, fd);
    free(prefix);
    *path += length + strspn(*path + length, "/");
    return error;
}

/* A path that is too long for one call is opened part by part. No directory stays open between
 * calls of this function: a tree may be deeper than there are descriptors. */
int system_open(const char *path, int flags, int *fd) {
    int at = AT_FDCWD;
    int error = 0;
    while (error == 0 && strlen(path) >= PATH_MAX) {
        int below = -1;
        error = descend(at, &path, &below);
        system_close(at);
        at = below;
    }
    if (error == 0) {
        bool at_end = at != AT_FDCWD && *path == '\0';
        error = open_at(at, at_end ? "." : path, flags, fd);
        system_close(at);
    }
    return error;
}

void system_close(int fd) {
    if (fd >= 0) {
        close(fd);
    }
}

int system_read(int fd, void *buffer, size_t size, size_t *got) {
    ssize_t count;
    do {
        count = read(fd, buffer, size);
    } while (count < 0 && errno == EINTR);
    *got = count < 0 ? 0 : (size_t)count;
    return count < 0 ? errno : 0;
}

int system_stat(int fd, struct stat *out) {
    return fstat(fd, out) != 0 ? errno : 0;
}

static enum entry_kind kind_of_mode(mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFREG:
        return ENTRY_FILE;
    case S_IFDIR:
        return ENTRY_DIRECTORY;
    case S_IFLNK:
        return ENTRY_LINK;
    default:
        return ENTRY_OTHER;
    }
}

int system_kind(const char *path, enum entry_kind *kind) {
    int fd;
    struct stat status;
    int error = system_open(path, O_PATH | O_NOFOLLOW, &fd);
    if (error != 0) {
        return error;
    }
    error = system_stat(fd, &status);
    system_close(fd);
    *kind = error == 0 ? kind_of_mode(status.st_mode) : ENTRY_OTHER;
    return error;
}

int system_directory(int fd, DIR **stream) {
    *stream = fdopendir(fd);
    if (*stream != NULL) {
        return 0;
    }
    int error = errno;
    system_close(fd);
    return error;
}

/* Not every file system tells the kind with the name. What cannot be told passes for a file:
 * opening it will name the trouble. */
static enum entry_kind kind_of_entry(DIR *stream, const struct dirent *found) {
    struct stat status;
    if (found->d_type != DT_UNKNOWN) {
        return kind_of_mode(DTTOIF(found->d_type));
    }
    if (fstatat(dirfd(stream), found->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return ENTRY_FILE;
    }
    return kind_of_mode(status.st_mode);
}

/* readdir tells an error from the end by errno alone. errno is the thread's, and no task suspends
 * between here and its reading; but ThreadSanitizer counts every task as a thread of its own, and
 * would call the errno of a worker shared. So it does not look at this one store. */
__attribute__((noinline, no_sanitize("thread"))) static void clear_errno(void) {
    errno = 0;
}

int system_next(DIR *stream, struct entry *out) {
    struct dirent *found;
    do {
        clear_errno();
        found = readdir(stream);
    } while (found != NULL &&
             (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0));
    out->name = found != NULL ? found->d_name : NULL;
    if (found == NULL) {
        return errno;
    }
    out->kind = kind_of_entry(stream, found);
    return 0;
}

size_t system_descriptors(void) {
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 1024;
}
