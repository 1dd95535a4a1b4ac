/* Handles: 16 bytes by value, safe when stale.
 *
 * A handle names a slot of an executor's registry and the generation that lived there when it was
 * given out. Using one whose object is gone gives BELAY_ESTALE, from any thread, also after the
 * executor was destroyed. Copying a handle copies no reference. */
#ifndef BELAY_HANDLE_H
#define BELAY_HANDLE_H

#include <belay/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct belay_executor belay_executor;
typedef struct belay_task belay_task;

/* A task, seen from outside it. All zero names no task. */
typedef struct belay_task_handle {
    uint32_t slot;
    uint32_t executor;
    uint64_t generation;
} belay_task_handle;

/* A scope. All zero names no scope. */
typedef struct belay_scope {
    uint32_t slot;
    uint32_t executor;
    uint64_t generation;
} belay_scope;

/* Destroys a value: an argument, a result, an item. Runs on a worker thread (or wherever the last reference is
 * dropped), under no lock of the library; may call what does not wait. */
typedef void belay_drop(void *value);

/* Something put down to be called later, which may be taken back. All zero names nothing. */
typedef struct belay_registration {
    uint32_t slot;
    uint32_t executor;
    uint64_t generation;
} belay_registration;

/* A place in the program, "file.c:42" or "body@file.c:42": a string literal, kept by pointer. */
#define BELAY_STRING_(x) #x
#define BELAY_STRING(x) BELAY_STRING_(x)
#define BELAY_SITE __FILE__ ":" BELAY_STRING(__LINE__)
#define BELAY_SITE_OF(body) #body "@" BELAY_SITE

#ifdef __cplusplus
}
#endif
#endif
