/* What the commands in text share. */
#ifndef EDGEPRUNE_TEXT_WORDS_H
#define EDGEPRUNE_TEXT_WORDS_H

#include "commands.h"

enum { MAX_WORDS = 4 };

/* A line of text, cut into its words. */
struct words {
    const char *at[MAX_WORDS]; /* "" behind the last */
    size_t count;
};

bool text_is(const char *word, const char *other);

/* A decimal number; `otherwise` where there is no word, -1 if it is none or too large. */
int32_t text_number(const char *word, int32_t otherwise);

/* text_db.c: what "db" has loaded, and the command itself. */
uint8_t *text_buffer(const struct server *server);
void text_db(struct server *server, const struct words *words);

#endif
