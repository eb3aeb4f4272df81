/* Probabilities of single bits that learn from the bits before, and the arithmetic decoder that uses
 * them; every step is that of edgeprune/models/epz/adaptive.py and arithmetic.py. */
#ifndef EDGEPRUNE_EPZ_ADAPTIVE_H
#define EDGEPRUNE_EPZ_ADAPTIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "epz_stream.h"

enum { ADAPTIVE_ROW = 4096, ADAPTIVE_RING = 8192, ADAPTIVE_NODES = 512, ADAPTIVE_NEAR = 5 };
enum { ADAPTIVE_CHARGED = 4096 }; /* elements that are counted at once */

struct opinion {
    uint16_t p; /* that the bit is 1, in 65536ths */
    uint16_t seen;
};

struct adaptive {
    uint32_t range, code; /* of the arithmetic decoder */
    int16_t stretch[4096]; /* the inverse of squash() */
    struct opinion columns[ADAPTIVE_ROW];
    struct opinion row;
    struct opinion near[1 << ADAPTIVE_NEAR];
    int64_t weights[3];
    unsigned distances[ADAPTIVE_NEAR]; /* 0 for none */
    unsigned char ring[ADAPTIVE_RING]; /* the last elements: whether they were not zero */
    uint32_t at, column, row_length;
    struct opinion nodes[ADAPTIVE_NODES];
    unsigned symbols, depth;
};

/* Begins a record: `row` 1 to 4096, `stride` 0 to 4095, `symbols` 1 to 257. */
void adaptive_begin(struct adaptive *state, struct epz_stream *stream, unsigned row,
                    unsigned stride, unsigned symbols);
/* Whether the next element is not zero. */
bool adaptive_occupied(struct adaptive *state, struct epz_stream *stream);
unsigned adaptive_symbol(struct adaptive *state, struct epz_stream *stream);
/* `bits` bits, at most 32, as they are. */
uint32_t adaptive_bits(struct adaptive *state, struct epz_stream *stream, unsigned bits);

#endif
