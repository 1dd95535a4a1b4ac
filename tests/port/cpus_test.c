/* The processor count: the reading of control groups from made-up files, and the arithmetic. */
#define _XOPEN_SOURCE 700
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "port/linux/cgroup.h"
#include "port/linux/cpus.h"
#include "port/port.h"

static char root[64];

static int remove_entry(const char *path, const struct stat *s, int kind, struct FTW *where) {
    (void)s;
    (void)kind;
    (void)where;
    return remove(path);
}

static int make_root(void **state) {
    (void)state;
    strcpy(root, "/tmp/belay-cpus-XXXXXX");
    return mkdtemp(root) == NULL;
}

static int remove_root(void **state) {
    (void)state;
    return nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* Writes a file below the root, with the directories on the way. */
static void put(const char *file, const char *content) {
    char path[512];
    snprintf(path, sizeof path, "%s%s", root, file);
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    assert_true(fputs(content, stream) >= 0);
    assert_int_equal(fclose(stream), 0);
}

static void no_files_no_quota(void **state) {
    (void)state;
    assert_true(cgroup_cpu_quota(root) == CGROUP_UNLIMITED);
}

static const char *const mount_v2 =
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

static void version_2(void **state) {
    (void)state;
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/proc/self/mountinfo", mount_v2);
    assert_true(cgroup_cpu_quota(root) == CGROUP_UNLIMITED);
    put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    assert_true(cgroup_cpu_quota(root) == CGROUP_UNLIMITED);
    put("/sys/fs/cgroup/a/b/cpu.max", "250000 100000\n");
    assert_int_equal(cgroup_cpu_quota(root), 2500);
}

static void version_2_ancestor_binds(void **state) {
    (void)state;
    put("/proc/self/cgroup", "0::/a/b/c\n");
    put("/proc/self/mountinfo", mount_v2);
    put("/sys/fs/cgroup/a/b/c/cpu.max", "400000 100000\n");
    put("/sys/fs/cgroup/a/cpu.max", "75000 50000\n");
    assert_int_equal(cgroup_cpu_quota(root), 1500);
    put("/sys/fs/cgroup/cpu.max", "50000 100000\n");
    assert_int_equal(cgroup_cpu_quota(root), 500);
}

static void version_2_in_a_container(void **state) {
    (void)state;
    /* the mount shows only what is below our own group, or another part of the tree */
    put("/proc/self/cgroup", "0::/box/7/inner\n");
    put("/proc/self/mountinfo", "30 22 0:26 /box/7 /cg ro - cgroup2 cgroup2 rw\n");
    put("/cg/inner/cpu.max", "100000 100000\n");
    assert_int_equal(cgroup_cpu_quota(root), 1000);
    put("/proc/self/mountinfo", "30 22 0:26 /box/77 /cg ro - cgroup2 cgroup2 rw\n");
    assert_true(cgroup_cpu_quota(root) == CGROUP_UNLIMITED);
    put("/cg/cpu.max", "300000 100000\n");
    assert_int_equal(cgroup_cpu_quota(root), 3000);
}

static void version_1(void **state) {
    (void)state;
    put("/proc/self/cgroup", "5:cpuset:/x\n4:cpuacct,cpu:/jobs/1\n1:name=systemd:/\n");
    put("/proc/self/mountinfo",
        "31 22 0:27 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
        "32 22 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n");
    put("/sys/fs/cgroup/cpu,cpuacct/jobs/1/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/jobs/1/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpuset/x/cpu.cfs_quota_us", "1\n");
    put("/sys/fs/cgroup/cpuset/x/cpu.cfs_period_us", "100000\n");
    assert_true(cgroup_cpu_quota(root) == CGROUP_UNLIMITED);
    put("/sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_quota_us", "350000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_period_us", "100000\n");
    assert_int_equal(cgroup_cpu_quota(root), 3500);
}

static void both_versions(void **state) {
    (void)state;
    put("/proc/self/cgroup", "4:cpu:/one\n0::/two\n");
    put("/proc/self/mountinfo", "31 22 0:27 / /one rw - cgroup cgroup rw,cpu\n"
                                "32 22 0:28 / /two rw - cgroup2 cgroup2 rw\n");
    put("/one/one/cpu.cfs_quota_us", "200000\n");
    put("/one/one/cpu.cfs_period_us", "100000\n");
    put("/two/two/cpu.max", "600000 100000\n");
    assert_int_equal(cgroup_cpu_quota(root), 2000);
    put("/two/two/cpu.max", "100000 100000\n");
    assert_int_equal(cgroup_cpu_quota(root), 1000);
}

static void nonsense_is_no_quota(void **state) {
    (void)state;
    put("/proc/self/cgroup", "\n:\nx\n0:\n0::/g\n");
    put("/proc/self/mountinfo", "\n - \n1 2 3\n - cgroup2\n30 22 0:26 / /m rw - cgroup2 c rw\n");
    put("/m/g/cpu.max", "100000 0\n");
    assert_true(cgroup_cpu_quota(root) == CGROUP_UNLIMITED);
    put("/m/g/cpu.max", "");
    assert_true(cgroup_cpu_quota(root) == CGROUP_UNLIMITED);
    put("/m/g/cpu.max", "9223372036854775807 1\n");
    assert_true(cgroup_cpu_quota(root) == CGROUP_UNLIMITED);
}

static void rounds_to_the_nearest(void **state) {
    (void)state;
    assert_int_equal(cpus_capped(8, CGROUP_UNLIMITED), 8);
    assert_int_equal(cpus_capped(8, 2499), 2);
    assert_int_equal(cpus_capped(8, 2500), 3);
    assert_int_equal(cpus_capped(2, 7000), 2);
    assert_int_equal(cpus_capped(8, 100), 1);
    assert_int_equal(cpus_capped(8, 0), 1);
    assert_int_equal(cpus_capped(1, UINT64_MAX - 1), 1);
}

static void this_machine(void **state) {
    (void)state;
    assert_in_range(port_cpu_count(), 1, 1 << 16);
}

#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ROOT(no_files_no_quota),
        WITH_ROOT(version_2),
        WITH_ROOT(version_2_ancestor_binds),
        WITH_ROOT(version_2_in_a_container),
        WITH_ROOT(version_1),
        WITH_ROOT(both_versions),
        WITH_ROOT(nonsense_is_no_quota),
        cmocka_unit_test(rounds_to_the_nearest),
        cmocka_unit_test(this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
