/* What each request does. */
#ifndef EDGEPRUNE_COMMANDS_H
#define EDGEPRUNE_COMMANDS_H

#include "edgeprune/engine.h"
#include "json.h"
#include "line.h"
#include "slots.h"
#include "text.h"

struct server {
    struct line line;
    struct slots slots;
    struct ep_engine engine; /* holds if a slot is in use */
    bool is_loaded;
    bool is_ending; /* a new start was asked for */
    struct text answer;
    uint32_t answer_blob_bytes; /* of line.blob */
    char answer_json[LINE_JSON_BYTES];
};

/* Does what `request` asks, and adds what is to be told to the answer. NULL if all is well, else
 * what is wrong. */
const char *command_run(struct server *server, const struct json_object *request);

/* Runs the network in use once, and marks its slot. Sets the ticks that the network took. */
const char *command_infer(struct server *server, uint32_t *ticks);

#endif
