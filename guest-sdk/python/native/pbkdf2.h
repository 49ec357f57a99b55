/* The iterations of PBKDF2 with HMAC. */

#ifndef WISP_PBKDF2_H
#define WISP_PBKDF2_H

#include "digest.h"

/* Mixes what `iterations` more of them give into `mixed`, which is the first one's result: digest->size bytes. The key has
 * digest->block bytes at most. */
void wisp_pbkdf2_iterate(const struct digest *digest, const uint8_t *key, int key_length, uint8_t *mixed, uint64_t iterations);

#endif
