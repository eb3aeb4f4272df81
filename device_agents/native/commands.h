/* What each command does (PROTOCOL.md, "Requests"). */
#ifndef EDGEPRUNE_COMMANDS_H
#define EDGEPRUNE_COMMANDS_H

#include <stdbool.h>

#include "../portable/json.h"
#include "call.h"

enum { KEYS_LIMIT = 5 };

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

#endif
