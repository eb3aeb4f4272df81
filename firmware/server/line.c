#include "line.h"

#include <string.h>

#include "edgeprune/port.h"
#include "frame_header.h"

enum { QUIET_S_PART = 10 }; /* the line is quiet after a tenth of a second */
enum { PAUSE_S = 1, EMULATED_PAUSE_S = 5 }; /* the machine that emulates may be busy otherwise */

uint64_t line_ticks(void)
{
    static uint32_t last;
    static uint64_t passed;
    const uint32_t now = ep_port_ticks();
    passed += now - last;
    last = now;
    return passed;
}

/* Waits for one byte, at most `ticks`. */
static bool read_byte(struct line *line, unsigned char *byte, uint32_t ticks)
{
    const uint64_t begin = line_ticks();
    if (line->has_ahead) {
        line->has_ahead = false;
        *byte = line->ahead;
        return true;
    }
    while (ep_port_read(byte, 1) == 0) {
        if (line_ticks() - begin >= ticks) {
            return false;
        }
    }
    return true;
}

bool line_is_asked(struct line *line)
{
    if (!line->has_ahead && ep_port_read(&line->ahead, 1) == 1) {
        line->has_ahead = line->ahead > ' ' && line->ahead <= '~'; /* neither an end of a line nor noise */
    }
    return line->has_ahead;
}

/* Reads all; false if the other end pauses for longer than it should. */
static bool read_all(void *to, size_t bytes)
{
    const uint64_t pause = (uint64_t)ep_port.tick_hz * (ep_port.is_emulated ? EMULATED_PAUSE_S : PAUSE_S);
    unsigned char *next = to, *end = next + bytes;
    uint64_t begin = line_ticks();
    while (next != end) {
        const size_t more = ep_port_read(next, (size_t)(end - next));
        if (more > 0) {
            next += more;
            begin = line_ticks();
        } else if (line_ticks() - begin >= pause) {
            return false;
        }
    }
    return true;
}

/* Reads a frame behind its magic; false if it is not whole. */
static bool read_frame(struct line *line, unsigned char header[FRAME_HEADER_BYTES])
{
    struct frame_lengths lengths;
    if (!read_all(header + FRAME_MAGIC_BYTES, FRAME_HEADER_BYTES - FRAME_MAGIC_BYTES) ||
        !frame_header_read(header, &lengths) || lengths.json_bytes > LINE_JSON_BYTES ||
        lengths.blob_bytes > LINE_BLOB_BYTES) {
        return false;
    }
    line->json_bytes = lengths.json_bytes;
    line->blob_bytes = lengths.blob_bytes;
    if (!read_all(line->json, lengths.json_bytes) || !read_all(line->blob, lengths.blob_bytes) ||
        !frame_is_whole(header, line->json, line->blob)) {
        return false;
    }
    line->json[line->json_bytes] = '\0';
    return true;
}

/* Takes one byte that is of no frame; true if it ends a line of text that can be meant. */
static bool take_text(struct line *line, unsigned char byte)
{
    if (byte == '\r' || byte == '\n') {
        return false;
    }
    if (byte == '%' && !line->is_junk) {
        line->text[line->text_bytes] = '\0';
        return true;
    }
    if (byte < ' ' || byte > '~' || line->text_bytes == LINE_TEXT_BYTES) {
        line->is_junk = true;
    } else {
        line->text[line->text_bytes++] = (char)byte;
    }
    return false;
}

enum line_event line_read(struct line *line)
{
    unsigned char header[FRAME_HEADER_BYTES] = {0}; /* first the last bytes that came */
    line->text_bytes = 0;
    for (;;) {
        unsigned char byte;
        if (!read_byte(line, &byte, ep_port.tick_hz / QUIET_S_PART)) {
            if (line->is_junk) {
                line->is_junk = false;
                line->text_bytes = 0;
            }
            continue;
        }
        memmove(header, header + 1, FRAME_MAGIC_BYTES - 1);
        header[FRAME_MAGIC_BYTES - 1] = byte;
        if (frame_begins(header)) {
            line->text_bytes = 0;
            line->is_junk = !read_frame(line, header);
            if (!line->is_junk) {
                return LINE_FRAME;
            }
            memset(header, 0, FRAME_MAGIC_BYTES);
        } else if (take_text(line, byte)) {
            return LINE_TEXT;
        }
    }
}

void line_write(const struct text *json, const void *blob, size_t blob_bytes)
{
    unsigned char header[FRAME_HEADER_BYTES];
    if (frame_header_make(header, json->data, json->bytes, blob, blob_bytes)) {
        ep_port_write(header, sizeof header);
        ep_port_write(json->data, json->bytes);
        ep_port_write(blob, blob_bytes);
    }
}
