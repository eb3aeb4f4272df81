#include "epz.h"

#include <string.h>

enum { DIGEST = 16, VERSION = 1 };
enum { KIND_STORE, KIND_COPY, KIND_DEFLATE, KIND_HUFFMAN, KIND_ADAPTIVE, KINDS };

static void read_head(struct epz_stream *stream, uint64_t max_bytes, uint64_t *size,
                      unsigned char digest[DIGEST])
{
    unsigned char magic[3];
    for (size_t i = 0; i < sizeof magic; i++) {
        magic[i] = (unsigned char)stream_byte(stream);
    }
    uint32_t version = stream_byte(stream);
    if (memcmp(magic, "EPZ", sizeof magic) != 0) {
        stream_fail(stream, "it does not begin with EPZ");
    } else if (version != VERSION) {
        stream_fail(stream, "its version is not 1");
    }
    *size = stream_number(stream);
    if (*size > max_bytes || *size > UINT32_MAX) {
        stream_fail(stream, "it holds more bytes than the limit");
    }
    for (size_t i = 0; i < DIGEST; i++) {
        digest[i] = (unsigned char)stream_byte(stream);
    }
}

/* Hands `bytes` of the store on; returns where the rest begins. */
static size_t copy(struct epz_arena *arena, size_t at, size_t end, uint64_t bytes)
{
    if (bytes > end - at) {
        stream_fail(&arena->stream, "a copy of more than the store holds");
        return end;
    }
    for (uint64_t i = 0; i < bytes; i++) {
        stream_put(&arena->stream, arena->store[at++]);
    }
    return at;
}

static void unpack_records(struct epz_arena *arena, uint64_t size)
{
    struct epz_stream *stream = &arena->stream;
    size_t store_at = 0, store_end = 0;
    uint64_t made = 0;
    while ((made < size || store_at < store_end) && stream->wrong == NULL) {
        uint64_t head = stream_number(stream);
        uint64_t bytes = head >> 3;
        unsigned kind = (unsigned)(head & 7);
        if (kind >= KINDS || bytes == 0) {
            stream_fail(stream, "a record of an unknown kind or of no bytes");
        } else if (kind == KIND_STORE) {
            if (bytes > EPZ_STORE || store_at < store_end) {
                stream_fail(stream, "a store too large, or before the last is used up");
                return;
            }
            epz_inflate(&arena->inflate, stream, bytes, arena->store);
            store_at = 0;
            store_end = (size_t)bytes;
            continue;
        } else if (bytes > size - made) {
            stream_fail(stream, "records of more bytes than it says it holds");
        } else if (kind == KIND_COPY) {
            store_at = copy(arena, store_at, store_end, bytes);
        } else if (kind == KIND_DEFLATE) {
            epz_inflate(&arena->inflate, stream, bytes, NULL);
        } else {
            weights_unpack(&arena->weights, stream, bytes, kind == KIND_ADAPTIVE);
        }
        made += bytes;
    }
}

const char *epz_unpack(struct epz_arena *arena, const struct epz_ends *ends, uint64_t max_bytes,
                       uint64_t *size)
{
    struct epz_stream *stream = &arena->stream;
    unsigned char expected[DIGEST], digest[SHA256_BYTES];
    stream_open(stream, ends);
    read_head(stream, max_bytes, size, expected);
    if (stream->wrong == NULL) {
        unpack_records(arena, *size);
    }
    stream_flush(stream);
    uint32_t crc = stream->crc;
    uint32_t expected_crc = stream_bits(stream, 32);
    if (crc != expected_crc) {
        stream_fail(stream, "its checksum differs");
    }
    if (!stream_is_at_end(stream)) {
        stream_fail(stream, "something follows its end");
    }
    sha256_end(&stream->sha, digest);
    if (memcmp(digest, expected, DIGEST) != 0) {
        stream_fail(stream, "its content has another SHA-256");
    }
    return stream->wrong;
}
