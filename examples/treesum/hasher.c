/* Hashers: OpenSSL's digest contexts with their buffers, in a list of idle ones. */
#include "hasher.h"

#include <stdlib.h>

bool hashers_init(struct hashers *hashers) {
    hashers->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (hashers->sha256 == NULL) {
        return false;
    }
    pthread_mutex_init(&hashers->lock, NULL);
    hashers->idle = NULL;
    return true;
}

static void hasher_destroy(struct hasher *hasher) {
    EVP_MD_CTX_free(hasher->context);
    free(hasher);
}

void hashers_fini(struct hashers *hashers) {
    while (hashers->idle != NULL) {
        struct hasher *rest = hashers->idle->next;
        hasher_destroy(hashers->idle);
        hashers->idle = rest;
    }
    pthread_mutex_destroy(&hashers->lock);
    EVP_MD_free(hashers->sha256);
}

static struct hasher *hasher_create(void) {
    struct hasher *created = malloc(sizeof(*created));
    if (created == NULL) {
        return NULL;
    }
    created->context = EVP_MD_CTX_new();
    if (created->context == NULL) {
        free(created);
        return NULL;
    }
    return created;
}

static struct hasher *take_idle(struct hashers *hashers) {
    pthread_mutex_lock(&hashers->lock);
    struct hasher *taken = hashers->idle;
    if (taken != NULL) {
        hashers->idle = taken->next;
    }
    pthread_mutex_unlock(&hashers->lock);
    return taken;
}

struct hasher *hashers_take(struct hashers *hashers) {
    struct hasher *taken = take_idle(hashers);
    if (taken == NULL) {
        taken = hasher_create();
    }
    if (taken != NULL && EVP_DigestInit_ex2(taken->context, hashers->sha256, NULL) != 1) {
        hasher_destroy(taken);
        taken = NULL;
    }
    return taken;
}

void hashers_give(struct hashers *hashers, struct hasher *hasher) {
    pthread_mutex_lock(&hashers->lock);
    hasher->next = hashers->idle;
    hashers->idle = hasher;
    pthread_mutex_unlock(&hashers->lock);
}

bool hasher_update(struct hasher *hasher, size_t size) {
    return EVP_DigestUpdate(hasher->context, hasher->block, size) == 1;
}

bool hasher_finish(struct hasher *hasher, unsigned char *digest) {
    return EVP_DigestFinal_ex(hasher->context, digest, NULL) == 1;
}
