#include "epz_inflate.h"

#include <string.h>

enum { LITERALS = 286, DISTANCES = 30, END_OF_BLOCK = 256, LENGTH_CODES = 19 };

static void emit(struct inflate *state, struct epz_stream *stream, unsigned char byte)
{
    if (state->made >= state->size) {
        stream_fail(stream, "a DEFLATE stream is longer than its record");
        return;
    }
    state->window[state->made % INFLATE_WINDOW] = byte;
    if (state->store != NULL) {
        state->store[state->made] = byte;
    } else {
        stream_put(stream, byte);
    }
    state->made++;
}

/* RFC 1951, section 3.2.4. */
static void stored_block(struct inflate *state, struct epz_stream *stream)
{
    stream_drop_bits(stream);
    uint32_t length = stream_bits(stream, 16);
    if (length != (stream_bits(stream, 16) ^ 0xffff)) {
        stream_fail(stream, "a DEFLATE block's length contradicts itself");
    }
    for (uint32_t i = 0; i < length && stream->wrong == NULL; i++) {
        emit(state, stream, (unsigned char)stream_byte(stream));
    }
}

/* Section 3.2.6. */
static void fixed_codes(struct inflate *state)
{
    uint8_t lengths[288];
    memset(lengths, 8, sizeof lengths);
    memset(lengths + 144, 9, 112);
    memset(lengths + 256, 7, 24);
    huffman_make(&state->literals, lengths, 288);
    memset(lengths, 5, DISTANCES);
    huffman_make(&state->distances, lengths, DISTANCES);
}

/* Section 3.2.7: code lengths, themselves coded. */
static void read_code_lengths(struct inflate *state, struct epz_stream *stream, uint8_t *lengths,
                              unsigned count)
{
    unsigned done = 0;
    uint8_t last = 0;
    while (done < count && stream->wrong == NULL) {
        unsigned symbol = huffman_next(&state->literals, stream);
        unsigned repeats = 1;
        uint8_t length = (uint8_t)symbol;
        if (symbol == 16) {
            if (done == 0) {
                stream_fail(stream, "a DEFLATE block repeats a length before the first");
            }
            repeats = 3 + stream_bits(stream, 2);
            length = last;
        } else if (symbol > 16) {
            repeats = symbol == 17 ? 3 + stream_bits(stream, 3) : 11 + stream_bits(stream, 7);
            length = 0;
        }
        if (repeats > count - done) {
            stream_fail(stream, "a DEFLATE block has too many code lengths");
            return;
        }
        memset(lengths + done, length, repeats);
        done += repeats;
        last = length;
    }
}

static void dynamic_codes(struct inflate *state, struct epz_stream *stream)
{
    static const uint8_t ORDER[LENGTH_CODES] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                11, 4,  12, 3, 13, 2, 14, 1, 15};
    uint8_t lengths[LITERALS + DISTANCES + 4] = {0};
    unsigned literals = 257 + stream_bits(stream, 5);
    unsigned distances = 1 + stream_bits(stream, 5);
    unsigned count = 4 + stream_bits(stream, 4);
    if (literals > LITERALS || distances > DISTANCES) {
        stream_fail(stream, "a DEFLATE block has too many symbols");
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        lengths[ORDER[i]] = (uint8_t)stream_bits(stream, 3);
    }
    if (!huffman_make(&state->literals, lengths, LENGTH_CODES) || !state->literals.is_complete) {
        stream_fail(stream, "a DEFLATE block's code of lengths is not complete");
        return;
    }
    memset(lengths, 0, sizeof lengths);
    read_code_lengths(state, stream, lengths, literals + distances);
    /* Section 3.2.7: one distance may have a code of one bit, or all be missing. */
    if (lengths[END_OF_BLOCK] == 0 || !huffman_make(&state->literals, lengths, literals) ||
        !huffman_make(&state->distances, lengths + literals, distances) ||
        (!state->literals.is_complete && state->literals.used > 1) ||
        (!state->distances.is_complete && state->distances.used > 1)) {
        stream_fail(stream, "a DEFLATE block's codes are not complete");
    }
}

/* Section 3.2.5: literals, and copies of what came before. */
static void coded_block(struct inflate *state, struct epz_stream *stream)
{
    static const uint16_t LENGTH[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                        31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint8_t LENGTH_BITS[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                            2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    while (stream->wrong == NULL) {
        unsigned symbol = huffman_next(&state->literals, stream);
        if (symbol == END_OF_BLOCK) {
            return;
        }
        if (symbol < END_OF_BLOCK) {
            emit(state, stream, (unsigned char)symbol);
            continue;
        }
        symbol -= END_OF_BLOCK + 1;
        if (symbol >= 29) {
            stream_fail(stream, "a DEFLATE length that stands for nothing");
            return;
        }
        unsigned length = LENGTH[symbol] + stream_bits(stream, LENGTH_BITS[symbol]);
        unsigned code = huffman_next(&state->distances, stream);
        unsigned extra = code < 4 ? 0 : code / 2 - 1;
        uint64_t distance = code < 4 ? code + 1
                                     : ((2U + code % 2) << extra) + 1 + stream_bits(stream, extra);
        if (distance > state->made) {
            stream_fail(stream, "DEFLATE copies from before its start");
            return;
        }
        for (unsigned i = 0; i < length && stream->wrong == NULL; i++) {
            emit(state, stream, state->window[(state->made - distance) % INFLATE_WINDOW]);
        }
    }
}

void epz_inflate(struct inflate *state, struct epz_stream *stream, uint64_t size,
                 unsigned char *store)
{
    bool is_last = false;
    state->made = 0;
    state->size = size;
    state->store = store;
    while (!is_last && stream->wrong == NULL) {
        is_last = stream_bits(stream, 1) == 1;
        switch (stream_bits(stream, 2)) {
        case 0:
            stored_block(state, stream);
            break;
        case 1:
            fixed_codes(state);
            coded_block(state, stream);
            break;
        case 2:
            dynamic_codes(state, stream);
            coded_block(state, stream);
            break;
        default:
            stream_fail(stream, "a DEFLATE block of an unknown type");
        }
    }
    stream_drop_bits(stream);
    if (state->made != size) {
        stream_fail(stream, "a DEFLATE stream is shorter than its record");
    }
}
