/* A piece of JSON text that is being written, in room that the caller gives. */
#ifndef EDGEPRUNE_TEXT_H
#define EDGEPRUNE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target.h"

struct text {
    char *data; /* not zero-terminated */
    size_t bytes;
    size_t room;
    /* Makes room for `more` bytes behind those that are there, or returns false. NULL: the room is
     * all there is. */
    bool (*grow)(struct text *text, size_t more);
    bool is_cut; /* there was no room for all: from then on nothing is added */
};

void text_raw(struct text *text, const char *raw);
void text_append(struct text *text, const struct text *more);
void text_integer(struct text *text, int64_t value);
/* A JSON string with its quotes; bytes that are not UTF-8 become '?'. */
void text_string(struct text *text, const char *string);

#endif
