/* Inherited values: looked up along the scopes. They are constant while their scope is open, and the caller is
 * inside. */
#include <string.h>

#include "owner/scope.h"

static const belay_binding *find(const scope *s, const belay_key *key) {
    for (; s != NULL; s = load_relaxed(&s->parent)) { /* relaxed: constant while open */
        for (const belay_binding *b = s->bindings; b != NULL; b = b->next) {
            if (b->key == key) {
                return b;
            }
        }
    }
    return NULL;
}

const void *belay_value(const belay_task *self, const belay_key *key) {
    const belay_binding *b =
        self != NULL ? find(load_relaxed(&self->inner), key) : NULL; /* relaxed: own */
    return b != NULL ? b->value : NULL;
}

belay_status belay_value_copy(const belay_task *self, const belay_key *key, void *out,
                              size_t size) {
    if (key == NULL || out == NULL || size != key->size) {
        return BELAY_EINVAL;
    }
    const void *value = belay_value(self, key);
    if (value == NULL) {
        return BELAY_ENOENT;
    }
    memcpy(out, value, size);
    return BELAY_OK;
}
