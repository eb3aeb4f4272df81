#include "epz_adaptive.h"

#include <string.h>

enum { SEEN_LIMIT = 127, FIRST_WEIGHT = 26214, STEP = 16 };
static const uint32_t TOP = 1U << 24;
static const char *const NO_PACKER = "arithmetic coding that no packer writes";

static int clipped(int64_t value, int low, int high)
{
    return value < low ? low : value > high ? high : (int)value;
}

/* The logistic function, in 4096ths, of x in 256ths, straight between knots at every 128. */
static int squash(int64_t x)
{
    static const int16_t KNOTS[33] = {
        1,    2,    4,    6,    10,   17,   27,   45,   74,   120,  194,
        311,  488,  747,  1102, 1546, 2048, 2550, 2994, 3349, 3608, 3785,
        3902, 3976, 4022, 4051, 4069, 4079, 4086, 4090, 4092, 4094, 4095,
    };
    int at = clipped(x, -2047, 2047) + 2048;
    int low = KNOTS[at >> 7], high = KNOTS[(at >> 7) + 1];
    return clipped(low + ((high - low) * (at & 127) >> 7), 1, 4095);
}

static void learn(struct opinion *opinion, bool bit)
{
    uint32_t rate = 65536U * 2 / (2U * opinion->seen + 3);
    uint32_t p = opinion->p;
    opinion->p = (uint16_t)(bit ? p + ((65535 - p) * rate >> 16) : p - (p * rate >> 16));
    if (opinion->seen < SEEN_LIMIT) {
        opinion->seen++;
    }
}

static void forget(struct opinion *opinions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        opinions[i] = (struct opinion){32768, 0};
    }
}

void adaptive_begin(struct adaptive *state, struct epz_stream *stream, unsigned row,
                    unsigned stride, unsigned symbols)
{
    int x = -2047;
    for (int p = 0; p < 4096; p++) {
        while (x < 2047 && squash(x) < p) {
            x++;
        }
        state->stretch[p] = (int16_t)x;
    }
    forget(state->columns, ADAPTIVE_ROW);
    forget(state->near, 1 << ADAPTIVE_NEAR);
    forget(state->nodes, ADAPTIVE_NODES);
    forget(&state->row, 1);
    for (size_t i = 0; i < 3; i++) {
        state->weights[i] = FIRST_WEIGHT;
    }
    state->distances[0] = 1;
    state->distances[1] = 2;
    state->distances[2] = stride > 0 ? stride - 1 : 0;
    state->distances[3] = stride;
    state->distances[4] = stride + 1;
    memset(state->ring, 0, sizeof state->ring);
    state->at = state->column = 0;
    state->row_length = row;
    state->symbols = symbols;
    state->depth = 0;
    while (1U << state->depth < symbols) {
        state->depth++;
    }
    state->range = UINT32_MAX;
    state->code = 0;
    for (int i = 0; i < 4; i++) {
        state->code = state->code << 8 | stream_byte(stream);
    }
    if (state->code == UINT32_MAX) {
        stream_fail(stream, NO_PACKER);
        state->code = 0;
    }
}

static void normalise(struct adaptive *state, struct epz_stream *stream)
{
    while (state->range < TOP) {
        state->range <<= 8;
        state->code = state->code << 8 | stream_byte(stream);
    }
}

/* `p` in 4096ths that the bit is 1. */
static bool decode(struct adaptive *state, struct epz_stream *stream, int p)
{
    uint32_t bound = (state->range >> 12) * (uint32_t)p;
    bool bit = state->code < bound;
    if (bit) {
        state->range = bound;
    } else {
        state->code -= bound;
        state->range -= bound;
    }
    normalise(state, stream);
    return bit;
}

uint32_t adaptive_bits(struct adaptive *state, struct epz_stream *stream, unsigned bits)
{
    uint32_t value = 0;
    for (unsigned place = 0; place < bits; place += STEP) {
        unsigned size = bits - place < STEP ? bits - place : STEP;
        state->range >>= size;
        uint32_t piece = state->code / state->range;
        if (piece >> size != 0) {
            stream_fail(stream, NO_PACKER);
            piece = 0;
            state->code = 0;
        }
        state->code -= piece * state->range;
        value |= piece << place;
        normalise(state, stream);
    }
    return value;
}

bool adaptive_occupied(struct adaptive *state, struct epz_stream *stream)
{
    if (state->column == 0) {
        forget(&state->row, 1);
    }
    unsigned near = 0;
    for (unsigned i = 0; i < ADAPTIVE_NEAR; i++) {
        unsigned distance = state->distances[i];
        if (distance > 0 && state->ring[(state->at - distance) % ADAPTIVE_RING] != 0) {
            near |= 1U << i;
        }
    }
    struct opinion *opinions[3] = {&state->columns[state->column], &state->row, &state->near[near]};
    int64_t sum = 0;
    int stretched[3];
    for (size_t i = 0; i < 3; i++) {
        stretched[i] = state->stretch[opinions[i]->p >> 4];
        sum += state->weights[i] * stretched[i];
    }
    int p = squash(sum >> 16);
    bool bit = decode(state, stream, p);
    int error = (bit ? 4096 : 0) - p;
    for (size_t i = 0; i < 3; i++) {
        state->weights[i] += (stretched[i] * error + 512) >> 10;
        learn(opinions[i], bit);
    }
    state->ring[state->at++ % ADAPTIVE_RING] = bit ? 1 : 0;
    state->column = state->column + 1 < state->row_length ? state->column + 1 : 0;
    return bit;
}

unsigned adaptive_symbol(struct adaptive *state, struct epz_stream *stream)
{
    unsigned node = 1;
    for (unsigned i = 0; i < state->depth; i++) {
        struct opinion *opinion = &state->nodes[node];
        bool bit = decode(state, stream, clipped(opinion->p >> 4, 1, 4095));
        learn(opinion, bit);
        node = node << 1 | (bit ? 1U : 0U);
    }
    unsigned symbol = node - (1U << state->depth);
    if (symbol >= state->symbols) {
        stream_fail(stream, "a symbol is outside its alphabet");
        return 0;
    }
    return symbol;
}
