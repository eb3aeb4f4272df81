#include "epz_stream.h"

#include <string.h>

#include "crc32.h"

void stream_open(struct epz_stream *stream, const struct epz_ends *ends)
{
    stream->ends = *ends;
    stream->wrong = NULL;
    stream->in_at = stream->in_bytes = stream->out_bytes = 0;
    stream->crc = 0;
    stream->taken = stream->charged = 0;
    stream->held = 0;
    stream->held_bits = 0;
    sha256_begin(&stream->sha);
}

void stream_fail(struct epz_stream *stream, const char *why)
{
    if (stream->wrong == NULL) {
        stream->wrong = why;
    }
}

static bool fill(struct epz_stream *stream)
{
    if (stream->in_at == stream->in_bytes) {
        stream->in_at = 0;
        stream->in_bytes = stream->ends.read(stream->ends.context, stream->in, sizeof stream->in);
    }
    return stream->in_bytes > 0;
}

bool stream_is_at_end(struct epz_stream *stream)
{
    return !fill(stream);
}

uint32_t stream_byte(struct epz_stream *stream)
{
    if (stream->wrong != NULL || !fill(stream)) {
        stream_fail(stream, "it ends too early");
        return 0;
    }
    unsigned char byte = stream->in[stream->in_at++];
    stream->crc = crc32_after(stream->crc, byte);
    stream->taken++;
    return byte;
}

uint32_t stream_bits(struct epz_stream *stream, unsigned bits)
{
    uint32_t value = 0;
    for (unsigned done = 0; done < bits;) {
        if (stream->held_bits == 0) {
            stream->held = stream_byte(stream);
            stream->held_bits = 8;
        }
        unsigned step = bits - done < stream->held_bits ? bits - done : stream->held_bits;
        value |= (stream->held & ((1U << step) - 1)) << done;
        stream->held >>= step;
        stream->held_bits -= step;
        done += step;
    }
    return value;
}

void stream_drop_bits(struct epz_stream *stream)
{
    stream->held = 0;
    stream->held_bits = 0;
}

void stream_align(struct epz_stream *stream)
{
    if (stream->held != 0) {
        stream_fail(stream, "a record is filled with ones");
    }
    stream_drop_bits(stream);
}

uint64_t stream_number(struct epz_stream *stream)
{
    uint64_t value = 0;
    for (unsigned place = 0; place < 5; place++) {
        uint32_t byte = stream_byte(stream);
        value |= (uint64_t)(byte & 0x7f) << (7 * place);
        if (byte < 0x80) {
            if (byte == 0 && place > 0) {
                break;
            }
            return value;
        }
    }
    stream_fail(stream, "a number has a form that no packer writes");
    return 0;
}

void stream_charge(struct epz_stream *stream, uint64_t elements)
{
    enum { FREE = 16384, MOST_PER_BYTE = 256 };
    stream->charged += elements;
    if (stream->charged > FREE + MOST_PER_BYTE * stream->taken) {
        stream_fail(stream, "far more elements than its bytes may stand for");
    }
}

void stream_put(struct epz_stream *stream, unsigned char byte)
{
    stream->out[stream->out_bytes++] = byte;
    if (stream->out_bytes == sizeof stream->out) {
        stream_flush(stream);
    }
}

void stream_flush(struct epz_stream *stream)
{
    if (stream->wrong == NULL) {
        sha256_add(&stream->sha, stream->out, stream->out_bytes);
        if (!stream->ends.write(stream->ends.context, stream->out, stream->out_bytes)) {
            stream_fail(stream, "its content cannot be written");
        }
    }
    stream->out_bytes = 0;
}
