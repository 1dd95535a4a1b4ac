/* Inherited values: what a task finds in the scopes it is in, such as a request's id or a logger.
 *
 * A value is bound when a scope is opened (belay_scope_options.bindings) and is seen by the opener and by every task in
 * the scope and below, until the scope closes. An inner binding of the same key hides the outer one. Bindings never
 * change, so looking one up takes no lock. They live in the opener's memory, usually on its stack: a scope outlives all
 * its tasks. As Java's scoped values (JEP 506). */
#ifndef BELAY_VALUE_H
#define BELAY_VALUE_H

#include <belay/handle.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A key is known by its address: define each once, with the size of what is bound to it. */
typedef struct belay_key {
    const char *name; /* for reports */
    size_t size;      /* sizeof the type of the value */
} belay_key;

typedef struct belay_binding {
    const belay_key *key;
    const void *value;                /* of key->size bytes; must stay until the scope has closed */
    const struct belay_binding *next; /* more of the same scope, or NULL */
} belay_binding;

/* The innermost value bound to the key, or NULL. Only the running task (NULL for self NULL). Does not wait. */
BELAY_API const void *belay_value(const belay_task *self, const belay_key *key);

/* Copies it: BELAY_OK; BELAY_ENOENT, it is not bound; BELAY_EINVAL, NULL or a size that is not the key's.
 * Does not wait. */
BELAY_API belay_status belay_value_copy(const belay_task *self, const belay_key *key, void *out,
                                        size_t size);

#ifdef __cplusplus
}
#endif
#endif
