/* Threads on top of POSIX threads.
 *
 * What a new thread needs to know travels in a page of its own: the heap belongs to the host's
 * allocator hook, which the port does not know, and the starter's stack would have to be waited
 * for. */
#define _GNU_SOURCE 1

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "port/port.h"

_Static_assert(sizeof(pthread_t) <= sizeof(uintptr_t), "port_thread.id holds a pthread_t");

enum { NAME_SIZE = 16 }; /* what Linux keeps of a thread's name, with its zero */

typedef struct start {
    void (*entry)(void *arg);
    void *arg;
    char name[NAME_SIZE];
} start;

static void *thread_main(void *page) {
    start s = *(start *)page;
    port_pages_unmap(page, port_page_size());
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    pthread_setname_np(pthread_self(), s.name);
    s.entry(s.arg);
    return NULL;
}

/* All but those that a thread's own fault raises: blocked, these end the process without the host's handler, and a
 * handler of theirs is what tells of a crash. */
static sigset_t blocked_signals(void) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        sigdelset(&set, faults[i]);
    }
    return set;
}

/* A thread inherits its starter's signal mask, so that no signal can arrive before it is
 * blocked. */
static int create_without_signals(pthread_t *thread, start *s) {
    sigset_t blocked = blocked_signals();
    sigset_t before;
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int error = pthread_create(thread, NULL, thread_main, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

bool port_thread_start(port_thread *out, void (*entry)(void *arg), void *arg, const char *name) {
    start *s = port_pages_map(port_page_size(), port_page_size());
    if (s == NULL) {
        return false;
    }
    s->entry = entry;
    s->arg = arg;
    strncpy(s->name, name, NAME_SIZE - 1); /* the page is zeroed: always ends with a zero */

    pthread_t thread;
    if (create_without_signals(&thread, s) != 0) {
        port_pages_unmap(s, port_page_size());
        return false;
    }
    out->id = (uintptr_t)thread;
    return true;
}

void port_thread_join(port_thread *thread) {
    if (pthread_join((pthread_t)thread->id, NULL) != 0) {
        port_panic("belay: joined a thread twice, or from itself");
    }
}

/* ---- threads that leave by pthread_exit -------------------------------------------------------- */

typedef struct guard {
    void (*left)(void *arg);
    void *arg;
} guard;

static pthread_once_t guard_once = PTHREAD_ONCE_INIT;
static pthread_key_t guard_key;
static bool guard_usable; /* written once, by guard_make */

static void guard_fire(void *value) {
    guard *g = value;
    g->left(g->arg);
}

static void guard_make(void) {
    guard_usable = pthread_key_create(&guard_key, guard_fire) == 0;
}

/* Thread-specific data, because its destructor runs however the thread ends. */
void port_thread_guard(void (*left)(void *arg), void *arg) {
    static _Thread_local guard own;
    pthread_once(&guard_once, guard_make);
    own = (guard){left, arg};
    if (guard_usable) {
        pthread_setspecific(guard_key, left != NULL ? &own : NULL);
    }
}

void port_thread_yield(void) {
    sched_yield();
}

void port_cpu_relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    /* `yield` does nothing on most cores; isb waits about as long as x86's pause. */
    __asm__ volatile("isb" ::: "memory");
#endif
}
