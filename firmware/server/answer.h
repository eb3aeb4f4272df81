/* Keys of the answer that is being written. */
#ifndef EDGEPRUNE_ANSWER_H
#define EDGEPRUNE_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "text.h"

/* `value` as it stands: JSON. */
void answer_raw(struct text *answer, const char *key, const char *value);
void answer_integer(struct text *answer, const char *key, int64_t value);
void answer_string(struct text *answer, const char *key, const char *value);
void answer_boolean(struct text *answer, const char *key, bool value);

#endif
