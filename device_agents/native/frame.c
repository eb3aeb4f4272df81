#include "frame.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../portable/crc32.h"

enum { HEADER_BYTES = 16, LENGTHS = 4, CRC = 12 };
static const char MAGIC[4] = {'E', 'P', 'F', '2'};

/* Reads exactly `bytes`; false at the stream's end or on a broken descriptor. */
static bool read_all(int fd, void *target, size_t bytes)
{
    unsigned char *next = target;
    while (bytes > 0) {
        ssize_t got = read(fd, next, bytes);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        next += got;
        bytes -= (size_t)got;
    }
    return true;
}

static bool write_all(int fd, const void *source, size_t bytes)
{
    const unsigned char *next = source;
    while (bytes > 0) {
        ssize_t put = write(fd, next, bytes);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return false;
        }
        next += put;
        bytes -= (size_t)put;
    }
    return true;
}

/* Of the lengths and of what follows the header. */
static uint32_t frame_crc(const unsigned char *header, const void *json, size_t json_bytes,
                          const void *blob, size_t blob_bytes)
{
    uint32_t crc = crc32_of(0, header + LENGTHS, CRC - LENGTHS);
    crc = crc32_of(crc, json, json_bytes);
    return crc32_of(crc, blob, blob_bytes);
}

static uint32_t from_little_endian(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static void to_little_endian(size_t value, unsigned char *bytes)
{
    for (int i = 0; i < 4; i++) {
        bytes[i] = (unsigned char)(value >> (8 * i) & 0xff);
    }
}

enum frame_result frame_read(int fd, struct frame *frame, const char **why)
{
    unsigned char header[HEADER_BYTES];
    memset(frame, 0, sizeof *frame);
    /* The magic is judged on its own, so that a stream of junk shorter than a header is refused
     * at once rather than waited for. */
    if (!read_all(fd, header, sizeof MAGIC)) {
        return FRAME_END;
    }
    if (memcmp(header, MAGIC, sizeof MAGIC) != 0) {
        *why = "input is no frame: it does not begin with EPF2";
        return FRAME_BAD;
    }
    if (!read_all(fd, header + sizeof MAGIC, HEADER_BYTES - sizeof MAGIC)) {
        return FRAME_END;
    }
    frame->json_bytes = from_little_endian(header + 4);
    frame->blob_bytes = from_little_endian(header + 8);
    if (frame->json_bytes > FRAME_JSON_LIMIT || frame->blob_bytes > FRAME_BLOB_LIMIT) {
        *why = "frame is longer than 16 MiB of JSON or 1 GiB of blob";
        return FRAME_BAD;
    }
    frame->json = malloc(frame->json_bytes + 1);
    frame->blob = frame->blob_bytes > 0 ? malloc(frame->blob_bytes) : NULL;
    if (frame->json == NULL || (frame->blob == NULL && frame->blob_bytes > 0)) {
        frame_free(frame);
        *why = "no memory for the frame";
        return FRAME_BAD;
    }
    if (!read_all(fd, frame->json, frame->json_bytes) ||
        !read_all(fd, frame->blob, frame->blob_bytes)) {
        frame_free(frame);
        return FRAME_END;
    }
    if (frame_crc(header, frame->json, frame->json_bytes, frame->blob, frame->blob_bytes) !=
        from_little_endian(header + CRC)) {
        frame_free(frame);
        *why = "frame was damaged on its way: its CRC differs";
        return FRAME_BAD;
    }
    frame->json[frame->json_bytes] = '\0';
    return FRAME_OK;
}

bool frame_write(int fd, const char *json, size_t json_bytes, const void *blob, size_t blob_bytes)
{
    unsigned char header[HEADER_BYTES];
    memcpy(header, MAGIC, sizeof MAGIC);
    to_little_endian(json_bytes, header + 4);
    to_little_endian(blob_bytes, header + 8);
    to_little_endian(frame_crc(header, json, json_bytes, blob, blob_bytes), header + CRC);
    return write_all(fd, header, sizeof header) && write_all(fd, json, json_bytes) &&
           write_all(fd, blob, blob_bytes);
}

void frame_free(struct frame *frame)
{
    free(frame->json);
    free(frame->blob);
    memset(frame, 0, sizeof *frame);
}
