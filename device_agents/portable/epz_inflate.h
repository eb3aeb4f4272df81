/* DEFLATE (RFC 1951). */
#ifndef EDGEPRUNE_EPZ_INFLATE_H
#define EDGEPRUNE_EPZ_INFLATE_H

#include <stdint.h>

#include "epz_huffman.h"
#include "epz_stream.h"

enum { INFLATE_WINDOW = 32768 };

struct inflate {
    unsigned char window[INFLATE_WINDOW]; /* the last bytes that came out */
    struct huffman literals;
    struct huffman distances;
    uint64_t made;
    uint64_t size;
    unsigned char *store; /* where the bytes go, or NULL for the stream's output */
};

/* Unpacks a DEFLATE stream, which must hold exactly `size` bytes and ends on a whole byte. They go
 * to `store`, or on to the stream's output if that is NULL. */
void epz_inflate(struct inflate *state, struct epz_stream *stream, uint64_t size,
                 unsigned char *store);

#endif
