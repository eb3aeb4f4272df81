/* Requests and answers on a port's line: frames, and lines of text that end with '%'. */
#ifndef EDGEPRUNE_LINE_H
#define EDGEPRUNE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

enum {
    LINE_JSON_BYTES = 1024, /* of a frame, either way */
    LINE_TEXT_BYTES = 80    /* of a line of text, as in MLPerf Tiny's reference */
};

#ifndef LINE_BLOB_BYTES
#define LINE_BLOB_BYTES 4096 /* of a frame, either way: 97 % of a line's rate is left for the blob */
#endif

enum line_event { LINE_FRAME, LINE_TEXT };

struct line {
    char json[LINE_JSON_BYTES + 1]; /* of the request, zero-terminated */
    size_t json_bytes;
    uint32_t blob[LINE_BLOB_BYTES / 4]; /* the request's, then the answer's */
    size_t blob_bytes;
    char text[LINE_TEXT_BYTES + 1]; /* zero-terminated, without its '%' */
    size_t text_bytes;
    unsigned char ahead; /* a byte that line_is_asked has read, if has_ahead */
    bool has_ahead;
    bool is_junk; /* a broken frame's rest may still come: no text until the line is quiet */
};

/* Waits for the next frame that is whole, or the next line of text. */
enum line_event line_read(struct line *line);

/* Whether the beginning of another request has come since the last one; it then waits. */
bool line_is_asked(struct line *line);

/* Ticks since the start, which do not begin anew: as long as something here is called at least once in
 * 2^32 ticks. */
uint64_t line_ticks(void);

/* Sends an answer; `blob` may be NULL if it has no bytes. */
void line_write(const struct text *json, const void *blob, size_t blob_bytes);

#endif
