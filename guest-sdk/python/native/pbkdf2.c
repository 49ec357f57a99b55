/* PBKDF2, RFC 8018, 5.2, with HMAC, RFC 2104: passwords are hashed by a million iterations. */

#include "pbkdf2.h"

#include <string.h>

/* The state of a hash that took in the key, each byte changed by `pad`. */
static union state keyed(const struct digest *digest, const uint8_t *key, int key_length, uint8_t pad) {
    union state state;
    uint8_t block[LARGEST_BLOCK];
    memset(block, pad, digest->block);
    for (int i = 0; i < key_length; i++) block[i] ^= key[i];
    memcpy(&state, digest->start, digest->size);
    digest->take(&state, block);
    return state;
}

/* What follows a key and one result of the hash: a bit, zeros, and the length of both in bits. */
static void pad(const struct digest *digest, uint8_t *block) {
    int bits = (digest->block + digest->size) * 8;
    memset(block + digest->size, 0, digest->block - digest->size);
    block[digest->size] = 0x80;
    block[digest->block - 2] = bits >> 8;
    block[digest->block - 1] = bits;
}

/* Hashes the block after the key, and puts the result where the block begins. */
static void take(const struct digest *digest, union state state, uint8_t *block) {
    digest->take(&state, block);
    if (digest->word == 4) {
        for (int i = 0; i < digest->size / 4; i++) state.narrow[i] = __builtin_bswap32(state.narrow[i]);
    } else {
        for (int i = 0; i < digest->size / 8; i++) state.wide[i] = __builtin_bswap64(state.wide[i]);
    }
    memcpy(block, &state, digest->size);
}

void wisp_pbkdf2_iterate(const struct digest *digest, const uint8_t *key, int key_length, uint8_t *mixed,
                         uint64_t iterations) {
    union state inner = keyed(digest, key, key_length, 0x36), outer = keyed(digest, key, key_length, 0x5c);
    uint8_t block[LARGEST_BLOCK];
    memcpy(block, mixed, digest->size);
    pad(digest, block);
    while (iterations--) {
        take(digest, inner, block);
        take(digest, outer, block);
        for (int i = 0; i < digest->size; i++) mixed[i] ^= block[i];
    }
}
