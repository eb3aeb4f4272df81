/* One request on its way through a command, and what commands read out of it. */
#ifndef EDGEPRUNE_CALL_H
#define EDGEPRUNE_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../portable/json.h"
#include "../portable/text.h"
#include "failure.h"
#include "frame.h"

struct call {
    const struct json_object *arguments;
    const struct frame *request;
    struct text *answer; /* open object: a handler appends `, "key": value` */
    size_t head_bytes;   /* of the answer, before the first handler's */
    unsigned char *blob;
    size_t blob_bytes;
    bool ends; /* the process should end after this answer */
    struct failure failure;
};

/* The argument `key`, which is there and an integer or a boolean. */
int64_t call_integer(const struct call *call, const char *key);

/* Fails the call unless the argument `key` is from `low` to `high`. */
bool call_in_range(struct call *call, const char *key, int64_t low, int64_t high);

/* Appends `key`, as `, "now_ns": `, and a moment to the answer. */
void call_moment(struct call *call, const char *key, int64_t ns);

#endif
