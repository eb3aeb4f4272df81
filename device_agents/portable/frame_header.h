/* The 16 bytes in front of a frame (PROTOCOL.md, "Frame"): made and judged in memory. */
#ifndef EDGEPRUNE_FRAME_HEADER_H
#define EDGEPRUNE_FRAME_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target.h"

enum { FRAME_HEADER_BYTES = 16, FRAME_MAGIC_BYTES = 4 };
#define FRAME_JSON_LIMIT ((size_t)16 << 20)
#define FRAME_BLOB_LIMIT ((size_t)1 << 30)

struct frame_lengths {
    size_t json_bytes;
    size_t blob_bytes;
};

/* Whether a frame may be as long as that. */
bool frame_fits(size_t json_bytes, size_t blob_bytes);

/* Makes the header of a frame. False, and no header, if the frame would be too long. */
bool frame_header_make(unsigned char header[FRAME_HEADER_BYTES], const void *json,
                       size_t json_bytes, const void *blob, size_t blob_bytes);

/* Whether a frame begins with these bytes. Judged on its own, so that junk shorter than a header is
 * refused at once rather than waited for. */
bool frame_begins(const unsigned char magic[FRAME_MAGIC_BYTES]);

/* Takes the lengths out of a header; false if the frame is too long. */
bool frame_header_read(const unsigned char header[FRAME_HEADER_BYTES],
                       struct frame_lengths *lengths);

/* Whether what came behind a header, whose lengths it says, is what the other end sent. */
bool frame_is_whole(const unsigned char header[FRAME_HEADER_BYTES], const void *json,
                    const void *blob);

#endif
