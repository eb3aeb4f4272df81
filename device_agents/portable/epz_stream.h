/* The bytes and bits of a container as they come in, and its content as it goes out.
 *
 * The first thing that is wrong is kept; from then on every read gives zeros, and a loop needs to
 * look at `wrong` only where nothing else would end it. */
#ifndef EDGEPRUNE_EPZ_STREAM_H
#define EDGEPRUNE_EPZ_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sha256.h"
#include "target.h"

enum { EPZ_CHUNK = 16384 };

/* What reads the container and writes its content. */
struct epz_ends {
    void *context;
    /* Reads up to `room` bytes; 0 at the end, or where reading fails. */
    size_t (*read)(void *context, unsigned char *data, size_t room);
    /* False if the bytes cannot be written. */
    bool (*write)(void *context, const unsigned char *data, size_t bytes);
};

struct epz_stream {
    struct epz_ends ends;
    const char *wrong; /* NULL while all is well */
    unsigned char in[EPZ_CHUNK];
    size_t in_at, in_bytes;
    uint32_t crc; /* of all that was read */
    uint64_t taken; /* bytes read */
    uint64_t charged; /* elements counted against them */
    uint32_t held; /* bits of the last byte that were not taken yet, the next one lowest */
    unsigned held_bits;
    unsigned char out[EPZ_CHUNK];
    size_t out_bytes;
    struct sha256 sha; /* of what went out */
};

void stream_open(struct epz_stream *stream, const struct epz_ends *ends);
void stream_fail(struct epz_stream *stream, const char *why);

uint32_t stream_byte(struct epz_stream *stream);
bool stream_is_at_end(struct epz_stream *stream);
/* The next `bits` bits, at most 32, as a number, lowest first. */
uint32_t stream_bits(struct epz_stream *stream, unsigned bits);
/* Goes on to the next whole byte. */
void stream_drop_bits(struct epz_stream *stream);
/* The same, where the bits between must be zero. */
void stream_align(struct epz_stream *stream);
/* A number in LEB128, below 2^35. */
uint64_t stream_number(struct epz_stream *stream);

/* Counts elements about to be made that may take less than a bit each. More than the bytes read so
 * far may stand for are an error, or a few bytes could keep a device busy for hours. */
void stream_charge(struct epz_stream *stream, uint64_t elements);

void stream_put(struct epz_stream *stream, unsigned char byte);
void stream_flush(struct epz_stream *stream);

#endif
