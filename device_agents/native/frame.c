#include "frame.h"

#include <stdlib.h>
#include <string.h>

#include "descriptor.h"

static bool make_room(struct frame *frame, const struct frame_lengths *lengths)
{
    frame->json_bytes = lengths->json_bytes;
    frame->blob_bytes = lengths->blob_bytes;
    frame->json = malloc(frame->json_bytes + 1);
    frame->blob = frame->blob_bytes > 0 ? malloc(frame->blob_bytes) : NULL;
    return frame->json != NULL && (frame->blob != NULL || frame->blob_bytes == 0);
}

static enum frame_result bad(struct frame *frame, const char **why, const char *reason)
{
    frame_free(frame);
    *why = reason;
    return FRAME_BAD;
}

enum frame_result frame_read(int fd, struct frame *frame, const char **why)
{
    unsigned char header[FRAME_HEADER_BYTES];
    struct frame_lengths lengths;
    memset(frame, 0, sizeof *frame);
    if (!read_all(fd, header, FRAME_MAGIC_BYTES)) {
        return FRAME_END;
    }
    if (!frame_begins(header)) {
        return bad(frame, why, "input is no frame: it does not begin with EPF2");
    }
    if (!read_all(fd, header + FRAME_MAGIC_BYTES, FRAME_HEADER_BYTES - FRAME_MAGIC_BYTES)) {
        return FRAME_END;
    }
    if (!frame_header_read(header, &lengths)) {
        return bad(frame, why, "frame is longer than 16 MiB of JSON or 1 GiB of blob");
    }
    if (!make_room(frame, &lengths)) {
        return bad(frame, why, "no memory for the frame");
    }
    if (!read_all(fd, frame->json, frame->json_bytes) ||
        !read_all(fd, frame->blob, frame->blob_bytes)) {
        frame_free(frame);
        return FRAME_END;
    }
    if (!frame_is_whole(header, frame->json, frame->blob)) {
        return bad(frame, why, "frame was damaged on its way: its CRC differs");
    }
    frame->json[frame->json_bytes] = '\0';
    return FRAME_OK;
}

bool frame_write(int fd, const char *json, size_t json_bytes, const void *blob, size_t blob_bytes)
{
    unsigned char header[FRAME_HEADER_BYTES];
    return frame_header_make(header, json, json_bytes, blob, blob_bytes) &&
           write_all(fd, header, sizeof header) && write_all(fd, json, json_bytes) &&
           write_all(fd, blob, blob_bytes);
}

void frame_free(struct frame *frame)
{
    free(frame->json);
    free(frame->blob);
    memset(frame, 0, sizeof *frame);
}
