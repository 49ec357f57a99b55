/* SHA-1, SHA-256 and SHA-512: FIPS 180-4. */

#include "digest.h"

#include <string.h>

static const uint32_t START_1[] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
static const uint32_t START_256[] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};
static const uint64_t START_512[] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1, 0x510e527fade682d1,
    0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

/* SHA-512's constants. Those of SHA-256 are the upper halves of the first 64. */
static const uint64_t K[] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc, 0x3956c25bf348b538,
    0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118, 0xd807aa98a3030242, 0x12835b0145706fbe,
    0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2, 0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235,
    0xc19bf174cf692694, 0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5, 0x983e5152ee66dfab,
    0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4, 0xc6e00bf33da88fc2, 0xd5a79147930aa725,
    0x06ca6351e003826f, 0x142929670a0e6e70, 0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed,
    0x53380d139d95b3df, 0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30, 0xd192e819d6ef5218,
    0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8, 0x19a4c116b8d2d0c8, 0x1e376c085141ab53,
    0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8, 0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373,
    0x682e6ff3d6b2b8a3, 0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b, 0xca273eceea26619c,
    0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178, 0x06f067aa72176fba, 0x0a637dc5a2c898a6,
    0x113f9804bef90dae, 0x1b710b35131c471b, 0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc,
    0x431d67c49c100d4c, 0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};

static inline uint32_t left(uint32_t word, int bits) {
    return word << bits | word >> (32 - bits);
}

static inline uint32_t right(uint32_t word, int bits) {
    return word >> bits | word << (32 - bits);
}

static inline uint64_t right_wide(uint64_t word, int bits) {
    return word >> bits | word << (64 - bits);
}

/* Words are big-endian, other than the machine. */
static inline uint32_t read(const uint8_t *bytes) {
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return __builtin_bswap32(word);
}

static inline uint64_t read_wide(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return __builtin_bswap64(word);
}

static void take_1(union state *state, const uint8_t *block) {
    static const uint32_t constants[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    uint32_t w[80], *h = state->narrow, a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 16; i++) w[i] = read(block + i * 4);
    for (int i = 16; i < 80; i++) w[i] = left(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 || i >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
        uint32_t next = left(a, 5) + f + e + constants[i / 20] + w[i];
        e = d, d = c, c = left(b, 30), b = a, a = next;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
}

static void take_256(union state *state, const uint8_t *block) {
    uint32_t w[64], *h = state->narrow, s[8];
    for (int i = 0; i < 16; i++) w[i] = read(block + i * 4);
    for (int i = 16; i < 64; i++) {
        uint32_t small = right(w[i - 15], 7) ^ right(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t large = right(w[i - 2], 17) ^ right(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + small + w[i - 7] + large;
    }
    memcpy(s, h, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t e = s[4], a = s[0];
        uint32_t first = s[7] + (right(e, 6) ^ right(e, 11) ^ right(e, 25)) + ((e & s[5]) ^ (~e & s[6])) + w[i];
        first += (uint32_t)(K[i] >> 32);
        uint32_t second = (right(a, 2) ^ right(a, 13) ^ right(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        s[7] = s[6], s[6] = s[5], s[5] = e, s[4] = s[3] + first, s[3] = s[2], s[2] = s[1], s[1] = a, s[0] = first + second;
    }
    for (int i = 0; i < 8; i++) h[i] += s[i];
}

static void take_512(union state *state, const uint8_t *block) {
    uint64_t w[80], *h = state->wide, s[8];
    for (int i = 0; i < 16; i++) w[i] = read_wide(block + i * 8);
    for (int i = 16; i < 80; i++) {
        uint64_t small = right_wide(w[i - 15], 1) ^ right_wide(w[i - 15], 8) ^ w[i - 15] >> 7;
        uint64_t large = right_wide(w[i - 2], 19) ^ right_wide(w[i - 2], 61) ^ w[i - 2] >> 6;
        w[i] = w[i - 16] + small + w[i - 7] + large;
    }
    memcpy(s, h, sizeof s);
    for (int i = 0; i < 80; i++) {
        uint64_t e = s[4], a = s[0];
        uint64_t first = s[7] + (right_wide(e, 14) ^ right_wide(e, 18) ^ right_wide(e, 41));
        first += ((e & s[5]) ^ (~e & s[6])) + w[i] + K[i];
        uint64_t second = (right_wide(a, 28) ^ right_wide(a, 34) ^ right_wide(a, 39));
        second += (a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]);
        s[7] = s[6], s[6] = s[5], s[5] = e, s[4] = s[3] + first, s[3] = s[2], s[2] = s[1], s[1] = a, s[0] = first + second;
    }
    for (int i = 0; i < 8; i++) h[i] += s[i];
}

static const struct digest DIGESTS[] = {
    {"sha1", 64, 20, 4, START_1, take_1},
    {"sha256", 64, 32, 4, START_256, take_256},
    {"sha512", 128, 64, 8, START_512, take_512},
};

const struct digest *wisp_digest(const char *name) {
    for (unsigned i = 0; i < sizeof DIGESTS / sizeof *DIGESTS; i++) {
        if (!strcmp(DIGESTS[i].name, name)) return &DIGESTS[i];
    }
    return 0;
}
