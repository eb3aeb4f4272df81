/* What each request does. */
#ifndef EDGEPRUNE_COMMANDS_H
#define EDGEPRUNE_COMMANDS_H

#include "edgeprune/engine.h"
#include "json.h"
#include "line.h"
#include "slots.h"
#include "text.h"

/* What MLPerf Tiny's "db" has loaded: it lies in the arena, behind what the network in use takes. */
struct loaded {
    uint32_t at; /* in the arena */
    uint32_t bytes; /* that are expected; 0: nothing is */
    uint32_t filled;
};

struct server {
    struct line line;
    struct slots slots;
    struct ep_engine engine; /* holds if a slot is in use */
    bool is_loaded;
    bool is_ending; /* a new start was asked for */
    struct text answer;
    struct loaded loaded;
    uint32_t epoch; /* of the newest lease since the start; 0: there was none */
    uint32_t answer_blob_bytes; /* of line.blob */
    char answer_json[LINE_JSON_BYTES];
};

/* A command of PROTOCOL.md: `values` of its keys, in their order. NULL if all is well, else what is
 * wrong. */
typedef const char *command(struct server *server, const uint32_t *values);

/* store_commands.c */
command command_hello, command_store_begin, command_store, command_store_end;

/* run_commands.c */
command command_load, command_input, command_infer, command_output, command_time, command_profile;

/* Does what `request` asks, and adds what is to be told to the answer. NULL if all is well, else
 * what is wrong. */
const char *command_run(struct server *server, const struct json_object *request);

/* What was made ready to run is no longer. */
void forget_loaded(struct server *server);

/* Runs the network in use once, and marks its slot. Sets the ticks that the network took. */
const char *infer_once(struct server *server, uint32_t *ticks);

/* Whether lines of text are commands: 4 kB of code that only MLPerf Tiny's runner needs. A port's build.mk
 * says so (FLAGS = ... -DEP_TEXT_COMMANDS=1). */
#ifndef EP_TEXT_COMMANDS
#define EP_TEXT_COMMANDS 0
#endif

/* Does what the line of text in server->line.text asks, and answers in text. */
void text_command_run(struct server *server);

#endif
