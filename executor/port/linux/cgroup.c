/* Reading the control groups, versions 1 and 2; many systems mount both.
 *
 * /proc/self/cgroup says which group we are in, /proc/self/mountinfo where the hierarchy is mounted
 * and which part of it: in a container the mount may begin at our own group, so that the mount's
 * root has to be taken off the group's path. A quota of an ancestor binds as much as one's own, so
 * we walk from the group up to the mount point and keep the minimum. */
#define _GNU_SOURCE 1

#include "port/linux/cgroup.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH = 1024 };

#define PATH_FIELD "%1023s"

typedef struct hierarchy {
    bool unified;     /* version 2 */
    char group[PATH]; /* ours, in the hierarchy */
    char root[PATH];  /* the part of the hierarchy that is mounted */
    char point[PATH]; /* where */
} hierarchy;

/* Called for each line; true when it was the right one. */
typedef bool line_reader(char *line, hierarchy *h);

static bool read_lines(const char *root, const char *file, line_reader *reader, hierarchy *h) {
    char path[PATH];
    snprintf(path, sizeof path, "%s%s", root, file);
    FILE *stream = fopen(path, "re");
    if (stream == NULL) {
        return false;
    }
    char *line = NULL;
    size_t capacity = 0;
    bool found = false;
    while (!found && getline(&line, &capacity, stream) > 0) {
        line[strcspn(line, "\n")] = '\0';
        found = reader(line, h);
    }
    free(line);
    fclose(stream);
    return found;
}

/* Is `word` an element of the comma-separated list? */
static bool list_has(const char *items, const char *word) {
    size_t length = strlen(word);
    for (const char *at = items; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}

static bool copy_path(char *to, const char *from) {
    return snprintf(to, PATH, "%s", from) < PATH;
}

/* "4:cpu,cpuacct:/a/b" in version 1, "0::/a/b" in version 2. */
static bool read_group(char *line, hierarchy *h) {
    char *controllers = strchr(line, ':');
    char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (path == NULL) {
        return false;
    }
    *path++ = '\0';
    controllers++;
    bool ours = h->unified ? strcmp(line, "0:") == 0 : list_has(controllers, "cpu");
    return ours && copy_path(h->group, path);
}

/* "31 24 0:27 ROOT POINT options [optional fields] - cgroup2 source options" */
static bool read_mount(char *line, hierarchy *h) {
    char type[32];
    char options[PATH];
    const char *tail = strstr(line, " - ");
    if (tail == NULL || sscanf(tail, " - %31s %*s " PATH_FIELD, type, options) != 2) {
        return false;
    }
    if (h->unified ? strcmp(type, "cgroup2") != 0
                   : strcmp(type, "cgroup") != 0 || !list_has(options, "cpu")) {
        return false;
    }
    return sscanf(line, "%*s %*s %*s " PATH_FIELD " " PATH_FIELD, h->root, h->point) == 2;
}

/* The first line of a file of the group. */
static bool read_setting(const char *directory, const char *file, char line[64]) {
    char path[4 * PATH];
    snprintf(path, sizeof path, "%s/%s", directory, file);
    FILE *stream = fopen(path, "re");
    if (stream == NULL) {
        return false;
    }
    bool found = fgets(line, 64, stream) != NULL;
    fclose(stream);
    return found;
}

static bool read_number(const char *directory, const char *file, long long *out) {
    char line[64];
    return read_setting(directory, file, line) && sscanf(line, "%lld", out) == 1;
}

/* "max 100000" and "-1" mean no quota: the first is no number, the second not positive. */
static uint64_t quota_of(const char *directory, bool unified) {
    char line[64];
    long long quota = 0;
    long long period = 0;
    bool found = unified ? read_setting(directory, "cpu.max", line) &&
                               sscanf(line, "%lld %lld", &quota, &period) == 2
                         : read_number(directory, "cpu.cfs_quota_us", &quota) &&
                               read_number(directory, "cpu.cfs_period_us", &period);
    if (!found || quota <= 0 || period <= 0 || quota > INT64_MAX / 1000) {
        return CGROUP_UNLIMITED;
    }
    return (uint64_t)quota * 1000 / (uint64_t)period;
}

/* The group's path as seen from the mount point: "" is the mount point itself. A group outside of
 * what is mounted cannot be seen, and the mount point is the nearest we have. */
static const char *below_mount(const hierarchy *h) {
    size_t length = strcmp(h->root, "/") == 0 ? 0 : strlen(h->root);
    const char *rest = h->group + length;
    bool inside = strncmp(h->group, h->root, length) == 0 && (*rest == '/' || *rest == '\0');
    return inside && strcmp(rest, "/") != 0 ? rest : "";
}

static uint64_t smallest_quota(const char *root, const hierarchy *h) {
    char directory[3 * PATH];
    int base = snprintf(directory, sizeof directory, "%s%s", root, h->point);
    int length = snprintf(directory, sizeof directory, "%s%s%s", root, h->point, below_mount(h));
    if (length >= (int)sizeof directory) {
        return CGROUP_UNLIMITED;
    }
    uint64_t smallest = CGROUP_UNLIMITED;
    while (true) {
        uint64_t quota = quota_of(directory, h->unified);
        smallest = quota < smallest ? quota : smallest;
        char *last = strrchr(directory, '/');
        if (last == NULL || last < directory + base) {
            return smallest;
        }
        *last = '\0';
    }
}

static uint64_t hierarchy_quota(const char *root, bool unified) {
    hierarchy h = {.unified = unified};
    if (!read_lines(root, "/proc/self/cgroup", read_group, &h) ||
        !read_lines(root, "/proc/self/mountinfo", read_mount, &h)) {
        return CGROUP_UNLIMITED;
    }
    return smallest_quota(root, &h);
}

uint64_t cgroup_cpu_quota(const char *root) {
    uint64_t version1 = hierarchy_quota(root, false);
    uint64_t version2 = hierarchy_quota(root, true);
    return version1 < version2 ? version1 : version2;
}
