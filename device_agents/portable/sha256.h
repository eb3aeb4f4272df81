/* SHA-256. Source: FIPS 180-4, sections 4.1.2, 4.2.2, 5.1.1, 5.3.3 and 6.2. */
#ifndef EDGEPRUNE_SHA256_H
#define EDGEPRUNE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "target.h"

enum { SHA256_BYTES = 32 };

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;
    unsigned char block[64];
};

void sha256_begin(struct sha256 *sha);
void sha256_add(struct sha256 *sha, const unsigned char *data, size_t bytes);
void sha256_end(struct sha256 *sha, unsigned char digest[SHA256_BYTES]);

#endif
