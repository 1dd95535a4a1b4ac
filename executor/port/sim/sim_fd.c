/* Descriptors, simulated: numbers whose readiness the scenario sets, and the poller over them.
 *
 * There are no files behind them. A scenario opens a number (each time as another file), sets what is ready, and closes
 * it.
 * Reading takes the readiness away and gives one byte; writing takes all. Everybody who waits sleeps on one word
 * that every change raises; who wakes looks for itself. */
#include <string.h>

#include "port/sim/sim_internal.h"

enum { FDS = 32, POLLERS = 4, BELLS = 4, NO_SUCH_CALL = 38 /* ENOSYS */ };

typedef struct sim_file {
    uint32_t number; /* which file; 0: not open */
    uint32_t ready;
} sim_file;

typedef struct sim_watch {
    uint32_t number; /* the file as it was armed; 0: unknown */
    uint32_t armed;
    uint64_t key;
} sim_watch;

typedef struct sim_poller {
    bool used;
    bool rung;
    sim_watch watch[FDS];
} sim_poller;

/* Like a kernel's memory: changed in one step between two schedule points. */
static sim_file files[FDS];
static sim_poller pollers[POLLERS];
static struct {
    bool used;
    bool rung;
} bells[BELLS];
static uint32_t files_made;
static atomic_u32 changes;

static void changed(void) {
    fetch_add_seq_cst(&changes, 1u); /* what sleepers compare */
    port_futex_wake(&changes.value, UINT32_MAX);
}

/* A call about a descriptor begins: others may come first. */
static void point(int fd) {
    sim_point(SIM_OP_FILE, NULL, (uint64_t)(uint32_t)fd);
}

static sim_file *file_at(int fd) {
    return fd >= 0 && fd < FDS && files[fd].number != 0 ? &files[fd] : NULL;
}

/* ---- for scenarios ------------------------------------------------------------------------------ */

void sim_fds_reset(void) {
    memset(files, 0, sizeof files);
    memset(pollers, 0, sizeof pollers);
    memset(bells, 0, sizeof bells);
    files_made = 0;
}

void sim_fd_open(int fd) {
    files[fd] = (sim_file){.number = ++files_made};
}

void sim_fd_set(int fd, uint32_t ready) {
    sim_file *f = file_at(fd);
    if (f != NULL) {
        f->ready = ready;
    }
    changed();
}

/* ---- the poller --------------------------------------------------------------------------------- */

/* A call that the system may refuse for want of descriptors. */
static bool refused(void) {
    point(0);
    return sim.active && sim_refuse(++sim.result.descriptors, sim.config.fail_descriptor);
}

bool port_poller_open(port_poller *poller) {
    if (refused()) {
        return false;
    }
    for (int i = 0; i < POLLERS; i++) {
        if (!pollers[i].used) {
            pollers[i] = (sim_poller){.used = true};
            *poller = (port_poller){.poll = i};
            return true;
        }
    }
    return false;
}

void port_poller_close(port_poller *poller) {
    point(0);
    pollers[poller->poll].used = false;
}

port_watch port_poller_arm(port_poller *poller, int fd, uint64_t key, uint32_t interest) {
    point(fd);
    sim_file *f = file_at(fd);
    if (f == NULL) {
        return PORT_WATCH_BAD;
    }
    sim_watch *w = &pollers[poller->poll].watch[fd];
    bool known = w->number == f->number;
    *w = (sim_watch){.number = f->number, .armed = interest, .key = key};
    changed();
    return known ? PORT_WATCH_KNOWN : PORT_WATCH_NEW;
}

void port_poller_disarm(port_poller *poller, int fd) {
    point(fd);
    if (fd >= 0 && fd < FDS) {
        pollers[poller->poll].watch[fd] = (sim_watch){0};
    }
}

static uint32_t ready_of(const sim_file *f, uint32_t interest) {
    uint32_t unasked = PORT_FD_ERROR;
    return f->ready & (interest | unasked);
}

static uint32_t collect(sim_poller *p, port_event *out, uint32_t most) {
    uint32_t n = 0;
    if (p->rung) {
        p->rung = false;
        out[n++] = (port_event){.key = PORT_POLLER_WOKEN};
    }
    for (int fd = 0; fd < FDS && n < most; fd++) {
        sim_watch *w = &p->watch[fd];
        sim_file *f = file_at(fd);
        uint32_t ready =
            f != NULL && f->number == w->number && w->armed != 0 ? ready_of(f, w->armed) : 0;
        if (ready != 0) {
            w->armed = 0;
            out[n++] = (port_event){.key = w->key, .ready = ready};
        }
    }
    return n;
}

uint32_t port_poller_wait(port_poller *poller, port_event *out, uint32_t most, int64_t deadline) {
    for (;;) {
        uint32_t seen = load_acquire(&changes); /* before the look: pairs with `changed` */
        uint32_t n = collect(&pollers[poller->poll], out, most);
        if (n != 0 || deadline <= port_clock_now()) {
            return n;
        }
        port_futex_wait(&changes.value, seen, deadline);
    }
}

void port_poller_wake(port_poller *poller) {
    point(0);
    pollers[poller->poll].rung = true;
    changed();
}

/* ---- one descriptor ------------------------------------------------------------------------------ */

bool port_bell_open(port_bell *bell) {
    if (refused()) {
        return false;
    }
    for (int i = 0; i < BELLS; i++) {
        if (!bells[i].used) {
            bells[i].used = true;
            bells[i].rung = false;
            bell->fd = i;
            return true;
        }
    }
    return false;
}

void port_bell_close(port_bell *bell) {
    point(0);
    bells[bell->fd].used = false;
}

void port_bell_ring(port_bell *bell) {
    point(0);
    bells[bell->fd].rung = true;
    changed();
}

uint32_t port_fd_poll(int fd, uint32_t interest, const port_bell *bell, int64_t deadline) {
    point(fd);
    for (;;) {
        uint32_t seen = load_acquire(&changes); /* before the look: pairs with `changed` */
        sim_file *f = file_at(fd);
        uint32_t ready = f == NULL ? PORT_FD_BAD : ready_of(f, interest);
        if (ready != 0 || (bell != NULL && bells[bell->fd].rung) || deadline <= port_clock_now()) {
            return ready;
        }
        port_futex_wait(&changes.value, seen, deadline);
    }
}

int64_t port_fd_read(int fd, void *buffer, size_t size) {
    point(fd);
    sim_file *f = file_at(fd);
    if (f == NULL || (f->ready & PORT_FD_READ) == 0 || size == 0) {
        return f == NULL ? PORT_IO_BAD : PORT_IO_WAIT;
    }
    f->ready &= ~(uint32_t)PORT_FD_READ;
    *(char *)buffer = 0;
    return 1;
}

int64_t port_fd_write(int fd, const void *data, size_t size) {
    (void)data;
    point(fd);
    sim_file *f = file_at(fd);
    if (f == NULL || (f->ready & PORT_FD_WRITE) == 0) {
        return f == NULL ? PORT_IO_BAD : PORT_IO_WAIT;
    }
    return (int64_t)size;
}

int64_t port_fd_accept(int fd) {
    (void)fd;
    return -NO_SUCH_CALL;
}

int64_t port_fd_connect(int fd, const void *address, uint32_t size) {
    (void)fd;
    (void)address;
    (void)size;
    return -NO_SUCH_CALL;
}

int32_t port_fd_error(int fd) {
    (void)fd;
    return 0;
}

bool port_fd_lingers(int fd) {
    (void)fd;
    return false;
}

int port_fd_duplicate(int fd) {
    (void)fd;
    return -1;
}

bool port_fd_close(int fd) {
    point(fd);
    sim_file *f = file_at(fd);
    if (f == NULL) {
        return false;
    }
    f->number = 0;
    changed();
    return true;
}
