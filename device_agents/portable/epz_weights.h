/* Weight records: codebooks, gaps and codes (docs/epz.md, "Weights"). */
#ifndef EDGEPRUNE_EPZ_WEIGHTS_H
#define EDGEPRUNE_EPZ_WEIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "epz_adaptive.h"
#include "epz_huffman.h"
#include "epz_stream.h"

enum { WEIGHTS_CODEBOOK = 256 };

struct weights {
    unsigned width; /* bytes of an element */
    bool delta, zeros, escape;
    unsigned verbatim_bits;
    unsigned entries, symbols;
    uint32_t codebook[WEIGHTS_CODEBOOK]; /* each already in its place above the verbatim bits */
    uint32_t last; /* the element before, if `delta` */
    struct huffman gaps, values;
    struct adaptive adaptive;
};

/* Unpacks a record of `bytes` bytes: Huffman codes, or with `is_adaptive` the adaptive coder. */
void weights_unpack(struct weights *state, struct epz_stream *stream, uint64_t bytes,
                    bool is_adaptive);

#endif
