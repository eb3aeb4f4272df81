#include "text.h"

#include <string.h>

#include "utf8.h"

static void append(struct text *text, const char *data, size_t bytes)
{
    if (text->room - text->bytes < bytes && (text->grow == NULL || !text->grow(text, bytes))) {
        text->is_cut = true;
    }
    if (bytes > 0 && !text->is_cut) { /* an empty text has no data to copy */
        memcpy(text->data + text->bytes, data, bytes);
        text->bytes += bytes;
    }
}

void text_raw(struct text *text, const char *raw)
{
    append(text, raw, strlen(raw));
}

void text_append(struct text *text, const struct text *more)
{
    append(text, more->data, more->bytes);
}

void text_integer(struct text *text, int64_t value)
{
    char digits[20]; /* of 2^63, and its sign */
    char *first = digits + sizeof digits;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--first = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0) {
        *--first = '-';
    }
    append(text, first, (size_t)(digits + sizeof digits - first));
}

void text_string(struct text *text, const char *string)
{
    static const char HEX[] = "0123456789abcdef";
    const unsigned char *at = (const unsigned char *)string;
    size_t left = strlen(string);
    append(text, "\"", 1);
    while (left > 0) {
        size_t length = utf8_length(at, left);
        if (length == 0) {
            append(text, "?", 1);
            length = 1;
        } else if (at[0] < 0x20 || at[0] == '"' || at[0] == '\\') {
            char escaped[6] = {'\\', 'u', '0', '0', HEX[at[0] >> 4], HEX[at[0] & 15]};
            append(text, escaped, sizeof escaped);
        } else {
            append(text, (const char *)at, length);
        }
        at += length;
        left -= length;
    }
    append(text, "\"", 1);
}
