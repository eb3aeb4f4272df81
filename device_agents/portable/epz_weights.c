#include "epz_weights.h"

static const char *const ZEROS_ALONE = "an element where a record has zeros alone";

/* One entry of the codebook: its distance to the one before, less one, in a Rice code. */
static uint64_t next_entry(struct epz_stream *stream, uint64_t entry, unsigned rice, unsigned bits)
{
    while (stream_bits(stream, 1) == 1) {
        entry += 1ULL << rice;
        if (entry >> bits != 0) {
            break;
        }
    }
    entry += stream_bits(stream, rice);
    if (entry >> bits != 0) {
        stream_fail(stream, "a codebook entry is out of range");
        return 0;
    }
    return entry;
}

static void read_header(struct weights *state, struct epz_stream *stream)
{
    unsigned width_log2 = stream_bits(stream, 2);
    state->delta = stream_bits(stream, 1) == 1;
    state->zeros = stream_bits(stream, 1) == 1;
    state->escape = stream_bits(stream, 1) == 1;
    state->verbatim_bits = stream_bits(stream, 5);
    unsigned drop = stream_bits(stream, 5);
    unsigned rice = stream_bits(stream, 5);
    state->entries = stream_bits(stream, 9);
    if (width_log2 > 2 || state->verbatim_bits + drop >= 8U << width_log2 ||
        state->entries > WEIGHTS_CODEBOOK) {
        stream_fail(stream, "a weight record of no such width or codebook");
        width_log2 = state->entries = 0;
        return;
    }
    state->width = 1U << width_log2;
    uint64_t entry = 0;
    for (unsigned i = 0; i < state->entries && stream->wrong == NULL; i++) {
        entry = next_entry(stream, entry, rice, 8 * state->width - state->verbatim_bits - drop);
        state->codebook[i] = (uint32_t)entry << drop << state->verbatim_bits;
        entry++;
    }
    state->symbols = state->entries + (state->escape ? 1 : 0);
    state->last = 0;
    if (state->symbols == 0 && !state->zeros) {
        stream_fail(stream, ZEROS_ALONE);
    }
}

static void put(struct weights *state, struct epz_stream *stream, uint32_t element)
{
    if (state->delta) {
        element += state->last;
        state->last = element;
    }
    for (unsigned i = 0; i < state->width; i++) {
        stream_put(stream, (unsigned char)(element >> (8 * i)));
    }
}

static void unpack_huffman(struct weights *state, struct epz_stream *stream, uint64_t count)
{
    unsigned filler = 0;
    if (state->zeros) {
        filler = stream_bits(stream, 8);
        if (filler == 0) {
            stream_fail(stream, "a filler of no zeros");
            return;
        }
        huffman_read(&state->gaps, stream, filler + 1);
    }
    if (state->symbols > 0) {
        huffman_read(&state->values, stream, state->symbols);
    }
    for (uint64_t made = 0; made < count && stream->wrong == NULL;) {
        if (state->zeros) {
            unsigned gap = huffman_next_weight(&state->gaps, stream);
            if (gap > count - made) {
                stream_fail(stream, "more zeros than a record has elements");
                return;
            }
            for (unsigned i = 0; i < gap; i++) {
                put(state, stream, 0);
            }
            made += gap;
            if (gap == filler || made == count) {
                continue;
            }
        }
        if (state->symbols == 0) {
            stream_fail(stream, ZEROS_ALONE);
            return;
        }
        unsigned symbol = huffman_next_weight(&state->values, stream);
        put(state, stream,
            symbol == state->entries
                ? stream_bits(stream, 8 * state->width)
                : state->codebook[symbol] | stream_bits(stream, state->verbatim_bits));
        made++;
    }
    stream_align(stream);
}

static void unpack_adaptive(struct weights *state, struct epz_stream *stream, uint64_t count)
{
    struct adaptive *adaptive = &state->adaptive;
    unsigned row = state->zeros ? stream_bits(stream, 12) + 1 : 1;
    unsigned stride = state->zeros ? stream_bits(stream, 12) : 1;
    stream_align(stream);
    adaptive_begin(adaptive, stream, row, stride, state->symbols > 0 ? state->symbols : 1);
    for (uint64_t made = 0; made < count && stream->wrong == NULL; made++) {
        if (made % ADAPTIVE_CHARGED == 0) {
            stream_charge(stream, count - made < ADAPTIVE_CHARGED ? count - made : ADAPTIVE_CHARGED);
        }
        if (state->zeros && !adaptive_occupied(adaptive, stream)) {
            put(state, stream, 0);
            continue;
        }
        if (state->symbols == 0) {
            stream_fail(stream, ZEROS_ALONE);
            return;
        }
        unsigned symbol = adaptive_symbol(adaptive, stream);
        put(state, stream,
            symbol == state->entries
                ? adaptive_bits(adaptive, stream, 8 * state->width)
                : state->codebook[symbol] |
                      adaptive_bits(adaptive, stream, state->verbatim_bits));
    }
}

void weights_unpack(struct weights *state, struct epz_stream *stream, uint64_t bytes,
                    bool is_adaptive)
{
    read_header(state, stream);
    if (stream->wrong != NULL) {
        return;
    }
    if (bytes % state->width != 0) {
        stream_fail(stream, "a record of no whole number of elements");
    } else if (is_adaptive) {
        unpack_adaptive(state, stream, bytes / state->width);
    } else {
        unpack_huffman(state, stream, bytes / state->width);
    }
}
