/* Canonical Huffman codes of at most 15 bits, for DEFLATE and for weights. */
#ifndef EDGEPRUNE_EPZ_HUFFMAN_H
#define EDGEPRUNE_EPZ_HUFFMAN_H

#include <stdbool.h>
#include <stdint.h>

#include "epz_stream.h"

enum { HUFFMAN_LENGTHS = 16, HUFFMAN_SYMBOLS = 320 };

struct huffman {
    uint16_t counts[HUFFMAN_LENGTHS]; /* words of each length; those of length 0 do not count */
    uint16_t symbols[HUFFMAN_SYMBOLS]; /* ordered by their words */
    unsigned used;
    bool is_complete; /* every sequence of bits is a sequence of words */
};

/* Makes the code out of one length a symbol. False if it has too many words. */
bool huffman_make(struct huffman *code, const uint8_t *lengths, unsigned symbols);

/* The next symbol. A sequence of bits that is no word is an error of the stream. */
unsigned huffman_next(const struct huffman *code, struct epz_stream *stream);

/* Reads the lengths of a weight record's code (docs/epz.md, "Codes") and makes it. Such a code is
 * complete, or has one symbol. */
void huffman_read(struct huffman *code, struct epz_stream *stream, unsigned symbols);

/* The next symbol of such a code: a sole symbol takes no bits. */
unsigned huffman_next_weight(const struct huffman *code, struct epz_stream *stream);

#endif
