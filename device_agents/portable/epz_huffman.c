#include "epz_huffman.h"

#include <string.h>

bool huffman_make(struct huffman *code, const uint8_t *lengths, unsigned symbols)
{
    unsigned place[HUFFMAN_LENGTHS];
    unsigned unused = 1; /* words of the length at hand that no shorter word begins */
    memset(code->counts, 0, sizeof code->counts);
    for (unsigned symbol = 0; symbol < symbols; symbol++) {
        code->counts[lengths[symbol]]++;
    }
    code->used = symbols - code->counts[0];
    code->counts[0] = 0;
    for (unsigned length = 1, next = 0; length < HUFFMAN_LENGTHS; length++) {
        unused *= 2;
        if (code->counts[length] > unused) {
            return false;
        }
        unused -= code->counts[length];
        place[length] = next;
        next += code->counts[length];
    }
    for (unsigned symbol = 0; symbol < symbols; symbol++) {
        if (lengths[symbol] > 0) {
            code->symbols[place[lengths[symbol]]++] = (uint16_t)symbol;
        }
    }
    code->is_complete = unused == 0;
    return true;
}

unsigned huffman_next(const struct huffman *code, struct epz_stream *stream)
{
    unsigned word = 0;  /* what was read, as a number */
    unsigned first = 0; /* the first word of this length */
    unsigned place = 0; /* and where its symbol stands */
    for (unsigned length = 1; length < HUFFMAN_LENGTHS; length++) {
        word = word << 1 | stream_bits(stream, 1);
        unsigned count = code->counts[length];
        if (word - first < count) {
            return code->symbols[place + word - first];
        }
        place += count;
        first = (first + count) << 1;
    }
    stream_fail(stream, "a Huffman word that stands for nothing");
    return 0;
}

void huffman_read(struct huffman *code, struct epz_stream *stream, unsigned symbols)
{
    uint8_t lengths[HUFFMAN_SYMBOLS];
    unsigned length = stream_bits(stream, 4);
    for (unsigned symbol = 0; symbol < symbols; symbol++) {
        while (symbol > 0 && stream_bits(stream, 1) == 1) {
            length += stream_bits(stream, 1) == 1 ? UINT32_MAX : 1U;
            if (length >= HUFFMAN_LENGTHS) {
                stream_fail(stream, "a code length is outside 0 to 15");
                length = 0;
            }
        }
        lengths[symbol] = (uint8_t)length;
    }
    bool fits = huffman_make(code, lengths, symbols);
    bool is_sole = fits && code->used == 1 && code->counts[1] == 1;
    if (!fits || (!code->is_complete && !is_sole)) {
        stream_fail(stream, "a Huffman code is not complete");
    }
}

unsigned huffman_next_weight(const struct huffman *code, struct epz_stream *stream)
{
    return code->used == 1 ? code->symbols[0] : huffman_next(code, stream);
}
