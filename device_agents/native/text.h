/* A growing piece of JSON text. */
#ifndef EDGEPRUNE_TEXT_H
#define EDGEPRUNE_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct text {
    char *data; /* not zero-terminated */
    size_t bytes;
    size_t room;
};

/* Says `why` on standard error and ends the process with status 3. */
_Noreturn void die(const char *why);

void text_raw(struct text *text, const char *raw);
void text_append(struct text *text, const struct text *more);
void text_integer(struct text *text, int64_t value);
/* A JSON string with its quotes; bytes that are not UTF-8 become '?'. */
void text_string(struct text *text, const char *string);
void text_free(struct text *text);

#endif
