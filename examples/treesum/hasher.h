/* Hashers: what hashing one file needs, kept for the next file.
 *
 * A task's stack is small (128 KiB unless configured), so the block buffer is on the heap; and
 * because at most --jobs files are in flight, so many hashers serve any number of files. */
#ifndef BELAY_TREESUM_HASHER_H
#define BELAY_TREESUM_HASHER_H

#include <openssl/evp.h>
#include <pthread.h>
#include <stdbool.h>

#define HASHER_BLOCK (128 * 1024)

struct hasher {
    struct hasher *next;
    EVP_MD_CTX *context;
    unsigned char block[HASHER_BLOCK];
};

struct hashers {
    EVP_MD *sha256; /* fetched once: a fetch for every file would cost more than a small file */
    pthread_mutex_t lock; /* guards idle; never held across a call that waits */
    struct hasher *idle;
};

/* False: libcrypto has no SHA-256 to offer, or no memory. */
bool hashers_init(struct hashers *hashers);
void hashers_fini(struct hashers *hashers);

/* A hasher ready for a new file, or NULL: no memory. Give it back. */
struct hasher *hashers_take(struct hashers *hashers);
void hashers_give(struct hashers *hashers, struct hasher *hasher);

/* Both false only if libcrypto fails. */
bool hasher_update(struct hasher *hasher, size_t size);
bool hasher_finish(struct hasher *hasher, unsigned char *digest);

#endif
