#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../portable/utf8.h"

_Noreturn void die(const char *why)
{
    fprintf(stderr, "edgeprune-agent: %s\n", why);
    _exit(3);
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
