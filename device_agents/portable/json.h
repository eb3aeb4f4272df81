/* Requests: one flat JSON object whose values are integers, booleans, strings or lists of integers.
 *
 * That is all the protocol needs, so anything else is refused here, and nothing recurses. */
#ifndef EDGEPRUNE_JSON_H
#define EDGEPRUNE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target.h"

enum { JSON_MEMBERS = 16 };
enum json_kind { JSON_INTEGER, JSON_BOOLEAN, JSON_STRING, JSON_LIST };

struct json_member {
    const char *key;
    enum json_kind kind;
    int64_t integer; /* the value of an integer, 0 or 1 for a boolean */
    const char *string;
    const int64_t *items;
    size_t item_count;
};

struct json_object {
    struct json_member members[JSON_MEMBERS];
    size_t member_count;
    int64_t *items; /* of all lists together: memory of the caller, */
    size_t item_room; /* with room for so many; NULL and 0 where no list is wanted */
    size_t item_count;
};

/* Parses `bytes` bytes at `text`, which must be followed by a zero byte. Strings are decoded in
 * place: `text` is changed and must outlive `object`, whose `items` and `item_room` the caller has
 * set. NULL if all is well, else what is wrong; `object` then holds the members before the mistake. */
const char *json_parse(char *text, size_t bytes, struct json_object *object);

/* The member called `key`, or NULL. */
const struct json_member *json_find(const struct json_object *object, const char *key);

#endif
