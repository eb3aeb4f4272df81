/* What each command does (PROTOCOL.md, "Requests"). */
#ifndef EDGEPRUNE_COMMANDS_H
#define EDGEPRUNE_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

#include "../portable/json.h"
#include "../portable/text.h"
#include "failure.h"
#include "frame.h"

enum { KEYS_LIMIT = 5 };

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

struct key {
    const char *name; /* NULL after the last */
    enum json_kind kind;
};

struct command {
    const char *name;
    bool takes_blob;
    bool needs_model;
    /* Called with all keys there and of their kinds, and no others. */
    bool (*handle)(struct call *call);
    struct key keys[KEYS_LIMIT + 1];
};

/* The command called `name`, or NULL. */
const struct command *find_command(const char *name);

bool model_is_loaded(void);

#endif
