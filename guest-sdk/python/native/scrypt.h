/* scrypt's mixing function. */

#ifndef WISP_SCRYPT_H
#define WISP_SCRYPT_H

#include <stdint.h>

/* Mixes p blocks of 128 * r bytes in their place. n is a power of 2, and 128 * r * (n + 2) is below 2^31.
 * 0 if there is no memory for it. */
int wisp_scrypt_mix(char *blocks, uint32_t p, uint32_t n, uint32_t r);

#endif
