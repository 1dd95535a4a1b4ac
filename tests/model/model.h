/* What a model is: C programs over the library's own text, for checkers of weak memory.
 *
 * A model includes this header, then the sources of the library that it is about, and defines four things: how many
 * threads there are, what one thread does before they start and after they have ended, and what each does. Its main
 * runs it with POSIX threads: that is what checkers such as GenMC and Nidhugg read. For Relacy the harness calls the
 * same four.
 *
 * Found first on the include path is first/: the port without assembly, Concurrency Kit without assembly. All that was
 * left by the end is seen, because the last one has seen all threads end. */
#ifndef BELAY_TESTS_MODEL_H
#define BELAY_TESTS_MODEL_H

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/check.h"
#include "base/lock.h"
#include "port/port.h"

#ifndef MODEL_SMALL
#define MODEL_SMALL                                                                                \
    0 /* 1: so small that all its schedules can be searched by a checker that does not reduce them */
#endif

extern const unsigned model_threads; /* at most MODEL_MOST */
enum { MODEL_MOST = 4 };

/* Sets everything the model uses, because some checkers run it many times in one process. */
void model_before(void);
void model_thread(unsigned me);
void model_after(void);

/* Ends the calling thread's part, from any depth of calls. */
_Noreturn void model_sleep(void);
/* The calling thread's number. */
unsigned model_me(void);

/* A word that is not atomic: to two threads at once it is a race, which a checker reports. */
typedef struct plain {
    uint64_t value;
} plain;

void port_fence_heavy(bool symmetric) {
    (void)symmetric;
#if !defined(MODEL_NO_HEAVY_FENCE)
    port_fence_full();
#endif
}

#if defined(MODEL_RELACY)

void relacy_plain_write(plain *word, uint64_t value);
uint64_t relacy_plain_read(const plain *word);
_Noreturn void relacy_fail(const char *what, const char *file, int line);
void relacy_yield(void);

static inline void plain_write(plain *p, uint64_t value) {
    relacy_plain_write(p, value);
}
static inline uint64_t plain_read(const plain *p) {
    return relacy_plain_read(p);
}
_Noreturn void check_failed(const char *condition, const char *file, int line) {
    relacy_fail(condition, file, line);
}
void port_cpu_relax(void) {
    relacy_yield();
}
/* base/lock.c sleeps on a futex. Here who finds a lock held looks until it is free. */
void lock_contended(lock *l) {
    while (!lock_try(l)) {
        relacy_yield();
    }
}

#else

#include <pthread.h>

static inline void plain_write(plain *p, uint64_t value) {
    p->value = value;
}
static inline uint64_t plain_read(const plain *p) {
    return p->value;
}
_Noreturn void check_failed(const char *condition, const char *file, int line) {
    (void)condition;
    (void)file;
    (void)line;
    assert(0);
    abort();
}
/* base/lock.c sleeps on a futex. Here who finds a lock held looks until it is free: checkers know such a loop. */
void lock_contended(lock *l) {
    while (!lock_try(l)) {
    }
}

static _Thread_local unsigned model_number;
static _Thread_local unsigned model_spins;
static ATOMIC(unsigned) model_given_up;
unsigned model_me(void) {
    return model_number;
}

_Noreturn void model_sleep(void) {
    pthread_exit(NULL);
    abort(); /* a checker's header may not say that this is never reached */
}

/* Other waiting loops are followed for a few rounds only: an execution with more of them tells nothing new. A checker
 * runs this; who runs the model as a program may have to wait longer, which is why the end is not looked at then. */
enum { MODEL_SPINS = 2 };
void port_cpu_relax(void) {
    if (++model_spins > MODEL_SPINS) {
        store_relaxed(&model_given_up, 1u);
        model_sleep();
    }
}

static void *model_entry(void *arg) {
    model_number = (unsigned)(uintptr_t)arg;
    model_thread(model_number);
    return NULL;
}

int main(void) {
    pthread_t thread[MODEL_MOST];
    model_before();
    for (unsigned i = 0; i < model_threads; i++) {
        pthread_create(&thread[i], NULL, model_entry, (void *)(uintptr_t)i);
    }
    for (unsigned i = 0; i < model_threads; i++) {
        pthread_join(thread[i], NULL);
    }
    if (load_relaxed(&model_given_up) == 0) {
        model_after();
    }
    return 0;
}

#endif

void port_thread_yield(void) {
    port_cpu_relax();
}
void lock_wake(lock *l) {
    (void)l;
}

#endif
