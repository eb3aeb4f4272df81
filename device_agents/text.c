#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Noreturn void die(const char *why)
{
    fprintf(stderr, "edgeprune-agent: %s\n", why);
    _exit(3);
}

static size_t continuation_bytes(const unsigned char *at, size_t left, size_t wanted)
{
    if (left < wanted + 1) {
        return 0;
    }
    for (size_t i = 1; i <= wanted; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return wanted + 1;
}

size_t utf8_length(const unsigned char *at, size_t left)
{
    if (left == 0) {
        return 0;
    }
    if (at[0] < 0x80) {
        return 1;
    }
    if (at[0] >= 0xc2 && at[0] <= 0xdf) {
        return continuation_bytes(at, left, 1);
    }
    if (left < 2) {
        return 0;
    }
    if (at[0] >= 0xe0 && at[0] <= 0xef) {
        int overlong = at[0] == 0xe0 && at[1] < 0xa0;
        int surrogate = at[0] == 0xed && at[1] > 0x9f;
        return overlong || surrogate ? 0 : continuation_bytes(at, left, 2);
    }
    if (at[0] >= 0xf0 && at[0] <= 0xf4) {
        int overlong = at[0] == 0xf0 && at[1] < 0x90;
        int too_large = at[0] == 0xf4 && at[1] > 0x8f;
        return overlong || too_large ? 0 : continuation_bytes(at, left, 3);
    }
    return 0;
}

static void append(struct text *text, const char *data, size_t bytes)
{
    if (text->room - text->bytes < bytes) {
        size_t room = text->room * 2 + bytes + 256;
        char *larger = realloc(text->data, room);
        if (larger == NULL) {
            die("no memory for an answer");
        }
        text->data = larger;
        text->room = room;
    }
    if (bytes > 0) { /* an empty text has no data to copy */
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
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRId64, value);
    append(text, digits, (size_t)length);
}

void text_string(struct text *text, const char *string)
{
    const unsigned char *at = (const unsigned char *)string;
    size_t left = strlen(string);
    append(text, "\"", 1);
    while (left > 0) {
        size_t length = utf8_length(at, left);
        char escaped[8];
        if (length == 0) {
            append(text, "?", 1);
            length = 1;
        } else if (at[0] < 0x20 || at[0] == '"' || at[0] == '\\') {
            int written = snprintf(escaped, sizeof escaped, "\\u%04x", at[0]);
            append(text, escaped, (size_t)written);
        } else {
            append(text, (const char *)at, length);
        }
        at += length;
        left -= length;
    }
    append(text, "\"", 1);
}

void text_free(struct text *text)
{
    free(text->data);
    memset(text, 0, sizeof *text);
}
