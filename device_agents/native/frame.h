/* Frames: how requests and answers are cut out of a byte stream (PROTOCOL.md, "Frame"). */
#ifndef EDGEPRUNE_FRAME_H
#define EDGEPRUNE_FRAME_H

#include <stdbool.h>
#include <stddef.h>

#include "../portable/frame_header.h"

struct frame {
    char *json; /* json_bytes bytes and a terminating zero */
    size_t json_bytes;
    unsigned char *blob; /* NULL if blob_bytes is 0 */
    size_t blob_bytes;
};

enum frame_result { FRAME_OK, FRAME_END, FRAME_BAD };

/* Reads one frame. FRAME_END: the stream ended, even within a frame. FRAME_BAD: the bytes are no
 * frame, damaged or too long, or there is no memory for them; *why then says which. The caller frees. */
enum frame_result frame_read(int fd, struct frame *frame, const char **why);

/* Writes one frame; false if the other end is gone, or if frame_fits() says no: nothing goes out then. */
bool frame_write(int fd, const char *json, size_t json_bytes, const void *blob, size_t blob_bytes);

void frame_free(struct frame *frame);

#endif
