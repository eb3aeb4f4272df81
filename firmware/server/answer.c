#include "answer.h"

void answer_raw(struct text *answer, const char *key, const char *value)
{
    text_raw(answer, ",\"");
    text_raw(answer, key);
    text_raw(answer, "\":");
    text_raw(answer, value);
}

void answer_integer(struct text *answer, const char *key, int64_t value)
{
    answer_raw(answer, key, "");
    text_integer(answer, value);
}

void answer_string(struct text *answer, const char *key, const char *value)
{
    answer_raw(answer, key, "");
    text_string(answer, value);
}

void answer_boolean(struct text *answer, const char *key, bool value)
{
    answer_raw(answer, key, value ? "true" : "false");
}
