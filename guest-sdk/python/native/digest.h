/* Hash functions that `pbkdf2.c` runs millions of times: FIPS 180-4. */

#ifndef WISP_DIGEST_H
#define WISP_DIGEST_H

#include <stdint.h>

enum { LARGEST_BLOCK = 128, LARGEST_STATE = 64 };

/* The state of a hash in words of 4 or 8 bytes. */
union state {
    uint32_t narrow[LARGEST_STATE / 4];
    uint64_t wide[LARGEST_STATE / 8];
};

struct digest {
    const char *name; /* As `hashlib` has it. */
    int block;        /* Bytes that are taken in at once. */
    int size;         /* Bytes of the result. */
    int word;         /* Bytes of a word. */
    const void *start;
    void (*take)(union state *state, const uint8_t *block);
};

/* 0 if there is none of that name. */
const struct digest *wisp_digest(const char *name);

#endif
