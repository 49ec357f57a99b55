/* scrypt's mixing function: RFC 7914, sections 3 to 5. PBKDF2 before and after it is Python's: see `hashes.py`. */

#include "scrypt.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS = 16 }; /* Of a block of Salsa20. */

static inline uint32_t rotated(uint32_t word, int bits) {
    return word << bits | word >> (32 - bits);
}

static inline void quarter(uint32_t *x, int a, int b, int c, int d) {
    x[b] ^= rotated(x[a] + x[d], 7);
    x[c] ^= rotated(x[b] + x[a], 9);
    x[d] ^= rotated(x[c] + x[b], 13);
    x[a] ^= rotated(x[d] + x[c], 18);
}

/* Salsa20/8 of `x ^ given`, into `x`. */
static void salsa(uint32_t x[WORDS], const uint32_t given[WORDS]) {
    uint32_t mixed[WORDS];
    for (int i = 0; i < WORDS; i++) mixed[i] = x[i] ^= given[i];
    for (int round = 0; round < 8; round += 2) {
        quarter(mixed, 0, 4, 8, 12);
        quarter(mixed, 5, 9, 13, 1);
        quarter(mixed, 10, 14, 2, 6);
        quarter(mixed, 15, 3, 7, 11);
        quarter(mixed, 0, 1, 2, 3);
        quarter(mixed, 5, 6, 7, 4);
        quarter(mixed, 10, 11, 8, 9);
        quarter(mixed, 15, 12, 13, 14);
    }
    for (int i = 0; i < WORDS; i++) x[i] += mixed[i];
}

/* scryptBlockMix of 2r blocks: those at even places come first in the result. */
static void mix_blocks(const uint32_t *given, uint32_t *result, uint32_t r) {
    uint32_t x[WORDS];
    memcpy(x, given + (2 * r - 1) * WORDS, sizeof x);
    for (uint32_t i = 0; i < 2 * r; i++) {
        salsa(x, given + i * WORDS);
        memcpy(result + (i / 2 + (i % 2 ? r : 0)) * WORDS, x, sizeof x);
    }
}

/* scryptROMix. `table` has room for n blocks of `words`, `other` for one. WebAssembly is little-endian, as scrypt is. */
static void mix(uint32_t *block, uint32_t *other, uint32_t *table, uint32_t n, uint32_t r) {
    uint32_t words = 2 * r * WORDS;
    for (uint32_t i = 0; i < n; i++) {
        memcpy(table + (size_t)i * words, block, words * 4);
        mix_blocks(block, other, r);
        memcpy(block, other, words * 4);
    }
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t *chosen = table + (size_t)(block[words - WORDS] & (n - 1)) * words;
        for (uint32_t word = 0; word < words; word++) other[word] = block[word] ^ chosen[word];
        mix_blocks(other, block, r);
    }
}

int wisp_scrypt_mix(char *blocks, uint32_t p, uint32_t n, uint32_t r) {
    size_t length = (size_t)128 * r;
    /* The last two hold the block that is worked on: what is given need not be aligned. */
    uint32_t *table = malloc(length * ((size_t)n + 2));
    if (!table) return 0;
    uint32_t *block = table + length / 4 * n, *other = block + length / 4;
    for (uint32_t i = 0; i < p; i++) {
        memcpy(block, blocks + i * length, length);
        mix(block, other, table, n, r);
        memcpy(blocks + i * length, block, length);
    }
    free(table);
    return 1;
}
