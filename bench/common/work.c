/* Answers of fib, and the tree of uts. */
#include "work.h"

#include <math.h>

int64_t fib_answer(int n) {
    int64_t now = 0;
    int64_t next = 1;
    for (int i = 0; i < n; i++) {
        int64_t sum = now + next;
        now = next;
        next = sum;
    }
    return now;
}

double fib_forks(int n) {
    return (double)fib_answer(n + 1) - 1;
}

static inline uint32_t rotate(uint32_t word, int bits) {
    return (word << bits) | (word >> (32 - bits));
}

typedef struct sha1_state {
    uint32_t a, b, c, d, e;
} sha1_state;

/* The next state from the old one, what the round's function made of b, c and d, its constant, its word. */
static inline sha1_state sha1_round(sha1_state s, uint32_t mixed, uint32_t constant,
                                    uint32_t word) {
    uint32_t next = rotate(s.a, 5) + mixed + s.e + constant + word;
    return (sha1_state){next, s.a, rotate(s.b, 30), s.c, s.d};
}

/* Message words from the 16th on, made when they are needed: w holds the last 16. */
static inline uint32_t sha1_word(uint32_t w[16], int t) {
    if (t >= 16) {
        uint32_t mixed = w[(t - 3) & 15] ^ w[(t - 8) & 15] ^ w[(t - 14) & 15] ^ w[t & 15];
        w[t & 15] = rotate(mixed, 1);
    }
    return w[t & 15];
}

/* One block of SHA-1 (FIPS 180-4, 6.1.2) on a message that fits one block, words in host order. The loops
 * are unrolled so that the state stays in registers and is renamed, not moved. */
static void sha1_block(uint32_t w[16], uint32_t digest[5]) {
    const sha1_state initial = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    sha1_state s = initial;
#pragma GCC unroll 20
    for (int t = 0; t < 20; t++) {
        s = sha1_round(s, s.d ^ (s.b & (s.c ^ s.d)), 0x5a827999, sha1_word(w, t));
    }
#pragma GCC unroll 20
    for (int t = 20; t < 40; t++) {
        s = sha1_round(s, s.b ^ s.c ^ s.d, 0x6ed9eba1, sha1_word(w, t));
    }
#pragma GCC unroll 20
    for (int t = 40; t < 60; t++) {
        uint32_t majority = (s.b & s.c) | (s.d & (s.b | s.c));
        s = sha1_round(s, majority, 0x8f1bbcdc, sha1_word(w, t));
    }
#pragma GCC unroll 20
    for (int t = 60; t < 80; t++) {
        s = sha1_round(s, s.b ^ s.c ^ s.d, 0xca62c1d6, sha1_word(w, t));
    }
    digest[0] = initial.a + s.a;
    digest[1] = initial.b + s.b;
    digest[2] = initial.c + s.c;
    digest[3] = initial.d + s.d;
    digest[4] = initial.e + s.e;
}

/* SHA-1's padding after `words` words of message: a single 1 bit, zeros, the length in bits. */
static void sha1_pad(uint32_t w[16], int words) {
    w[words] = 0x80000000;
    for (int t = words + 1; t < 15; t++) {
        w[t] = 0;
    }
    w[15] = (uint32_t)words * 32;
}

uts_node uts_root(void) {
    uint32_t w[16] = {0, 0, 0, 0, 19};
    uts_node root = {.depth = 0};
    sha1_pad(w, 5);
    sha1_block(w, root.digest);
    return root;
}

uts_node uts_child(const uts_node *parent, int index) {
    uint32_t w[16];
    uts_node child = {.depth = parent->depth + 1};
    for (int i = 0; i < 5; i++) {
        w[i] = parent->digest[i];
    }
    w[5] = (uint32_t)index;
    sha1_pad(w, 6);
    sha1_block(w, child.digest);
    return child;
}

/* Geometric with mean 4: the digest's last word is the random number. */
int uts_children(const uts_node *node) {
    static const double log_of_four_fifths = -0.22314355131420976;
    if (node->depth >= 10) {
        return 0;
    }
    double random = (double)(node->digest[4] & 0x7fffffff) / 2147483648.0;
    return (int)floor(log(1 - random) / log_of_four_fifths);
}
