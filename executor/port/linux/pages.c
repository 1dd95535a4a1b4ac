/* Pages: private, anonymous, not reserved, never huge (a huge page under a fiber's stack would make
 * 4 KiB of use cost 2 MiB).
 *
 * Guards come in two kinds. The marker (MADV_GUARD_INSTALL, Linux 6.13) lives in the page table and
 * uses no mapping. mprotect splits the mapping in two or three. Which one works is found out at the
 * first guard and then remembered. */
#define _GNU_SOURCE 1

#include "port/linux/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    GUARD_INSTALL = 102, /* MADV_GUARD_INSTALL, which older headers do not have */
    SELF = -10000,       /* PIDFD_SELF_THREAD, the same */
};

static const uint64_t PAGEMAP_IN_USE = (uint64_t)3 << 62; /* present, or swapped out */

/* Whether the marker works: 0 not known yet, 1 yes, 2 no. Relaxed: every thread that finds 0 finds
 * out the same by itself, and nothing else is published by it. */
static ATOMIC(uint32_t) marker_state;
/* What pages_guard_restrict() forbids, as MARKER minus best. Relaxed: set before the test's
 * threads. */
static ATOMIC(uint32_t) restriction;

/* Not zero once a discard of many ranges was refused. Relaxed: each thread would find out the same. */
static ATOMIC(uint32_t) one_by_one;

size_t port_page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

static void *map_at(void *address, size_t size, int flags) {
    void *pages = mmap(address, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
    if (pages == MAP_FAILED) {
        return NULL;
    }
    madvise(pages, size,
            MADV_NOHUGEPAGE); /* refused where the kernel knows no huge pages: as well */
    return pages;
}

/* Maps more than needed and gives both ends back. */
static void *map_aligned(size_t size, size_t alignment) {
    size_t slack = alignment - port_page_size();
    if (size > SIZE_MAX - slack) {
        return NULL;
    }
    char *all = map_at(NULL, size + slack, 0);
    if (all == NULL) {
        return NULL;
    }
    size_t before = (size_t)(-(uintptr_t)all & (alignment - 1));
    if (before > 0) {
        munmap(all, before);
    }
    if (slack > before) {
        munmap(all + before + size, slack - before);
    }
    return all + before;
}

void *port_pages_map(size_t size, size_t alignment) {
    return alignment <= port_page_size() ? map_at(NULL, size, 0) : map_aligned(size, alignment);
}

/* munmap of whole mappings cannot fail; of a part it can, when it would split one and no mapping is
 * left. Then the addresses stay ours, unused, and the memory at least is given back. */
void port_pages_unmap(void *pages, size_t size) {
    if (munmap(pages, size) != 0) {
        port_pages_discard(pages, size);
    }
}

void port_pages_discard(void *pages, size_t size) {
    madvise(pages, size, MADV_DONTNEED);
}

/* Recent kernels (6.18, for one) let a process do this to its own pages, and flush the other
 * processors' translations once for all ranges. The kernel reads port_range as the iovec it is laid out like. */
static bool discard_at_once(const port_range *ranges, uint32_t count) {
    _Static_assert(sizeof(port_range) == sizeof(struct iovec) &&
                       offsetof(port_range, pages) == offsetof(struct iovec, iov_base) &&
                       offsetof(port_range, size) == offsetof(struct iovec, iov_len),
                   "a range is an iovec");
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        size += ranges[i].size;
    }
    long done = syscall(SYS_process_madvise, SELF, ranges, (size_t)count, MADV_DONTNEED, 0);
    return done >= 0 && (size_t)done == size;
}

/* A refusal by the kernel, a sandbox or an emulator is remembered; to forget it, or to discard a
 * range twice, costs nothing but time. */
void port_pages_discard_each(const port_range *ranges, uint32_t count) {
    if (count > 1 && load_relaxed(&one_by_one) == 0) { /* relaxed: see its declaration */
        if (discard_at_once(ranges, count)) {
            return;
        }
        store_relaxed(&one_by_one, 1u); /* relaxed: see its declaration */
    }
    for (uint32_t i = 0; i < count; i++) {
        port_pages_discard(ranges[i].pages, ranges[i].size);
    }
}

bool port_pages_renew(void *pages, size_t size) {
    return map_at(pages, size, MAP_FIXED) != NULL;
}

/* Emulators accept every madvise and do nothing. A system call that is asked to write into a
 * guarded page fails with EFAULT, without a signal. */
static bool faults(void *page) {
    return syscall(SYS_getrandom, page, 1, 0) < 0 && errno == EFAULT;
}

static bool guard_by_marker(void *pages, size_t size) {
    uint32_t state = load_relaxed(&marker_state); /* relaxed: see its declaration */
    if (state == 2 || madvise(pages, size, GUARD_INSTALL) != 0) {
        /* A refusal for want of memory (a page table) is no verdict about the kernel. */
        if (state == 0 && errno == EINVAL) {
            store_relaxed(&marker_state, 2); /* relaxed: see its declaration */
        }
        return false;
    }
    if (state == 0) {
        state = faults(pages) ? 1 : 2;
        store_relaxed(&marker_state, state); /* relaxed: see its declaration */
    }
    return state == 1;
}

port_guard port_pages_guard(void *pages, size_t size) {
    uint32_t forbidden = load_relaxed(&restriction); /* relaxed: see its declaration */
    if (forbidden < 1 && guard_by_marker(pages, size)) {
        return PORT_GUARD_MARKER;
    }
    if (forbidden < 2 && mprotect(pages, size, PROT_NONE) == 0) {
        return PORT_GUARD_PROTECT;
    }
    return PORT_GUARD_NONE;
}

void pages_guard_restrict(port_guard best) {
    uint32_t forbidden = best == PORT_GUARD_MARKER ? 0 : best == PORT_GUARD_PROTECT ? 1 : 2;
    store_relaxed(&restriction, forbidden); /* relaxed: see its declaration */
}

/* Pages from the start of the window that were never touched; fewer than `pages` when one was
 * found. Zero (the safe side) when the kernel does not tell. */
static size_t untouched(int pagemap, uintptr_t first_page, size_t pages) {
    uint64_t entry[64];
    size_t done = 0;
    while (done < pages) {
        size_t want = pages - done < 64 ? pages - done : 64;
        off_t offset = (off_t)((first_page + done) * sizeof entry[0]);
        if (pread(pagemap, entry, want * sizeof entry[0], offset) !=
            (ssize_t)(want * sizeof entry[0])) {
            return 0;
        }
        for (size_t i = 0; i < want; i++, done++) {
            if ((entry[i] & PAGEMAP_IN_USE) != 0) {
                return done;
            }
        }
    }
    return done;
}

size_t port_pages_touched(const void *pages, size_t size) {
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (pagemap < 0) {
        return size;
    }
    size_t page = port_page_size();
    size_t clean = untouched(pagemap, (uintptr_t)pages / page, size / page);
    close(pagemap);
    return size - clean * page;
}
