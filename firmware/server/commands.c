#include "commands.h"

#include <string.h>

enum { MAX_ARGUMENTS = 3 };

static const char *reset(struct server *server, const uint32_t *values)
{
    (void)values;
    server->is_ending = true;
    return NULL;
}

static const struct {
    const char *name;
    command *run;
    const char *keys[MAX_ARGUMENTS];
    bool takes_blob;
} COMMANDS[] = {
    {"hello", command_hello, {NULL}, false},
    {"store_begin", command_store_begin, {"bytes", "crc32"}, false},
    {"store", command_store, {"at"}, true},
    {"store_end", command_store_end, {NULL}, false},
    {"load", command_load, {NULL}, false},
    {"input", command_input, {"tensor", "at"}, true},
    {"infer", command_infer, {NULL}, false},
    {"output", command_output, {"tensor", "at", "bytes"}, false},
    {"time", command_time, {"warmup", "runs"}, false},
    {"profile", command_profile, {NULL}, false},
    {"reset", reset, {NULL}, false},
};

enum { COMMAND_COUNT = sizeof COMMANDS / sizeof *COMMANDS };

static bool is_same(const char *one, const char *other)
{
    const size_t bytes = strlen(one);
    return strlen(other) == bytes && memcmp(one, other, bytes) == 0;
}

static bool is_word(const struct json_member *value)
{
    return value != NULL && value->kind == JSON_INTEGER && value->integer >= 0 &&
           value->integer <= UINT32_MAX;
}

void forget_loaded(struct server *server)
{
    server->is_loaded = false;
    server->loaded = (struct loaded){0, 0, 0};
}

/* A request of an older lease than the newest is refused, and the first of a newer one ends what the
 * older one had made ready. */
static const char *enter_lease(struct server *server, const struct json_member *epoch)
{
    if (!is_word(epoch) || epoch->integer == 0) {
        return "the epoch of a lease is an integer of 32 bits, and not 0";
    }
    if ((uint32_t)epoch->integer < server->epoch) {
        return "this lease is over: a newer one has the board";
    }
    if ((uint32_t)epoch->integer > server->epoch) {
        server->epoch = (uint32_t)epoch->integer;
        forget_loaded(server);
    }
    return NULL;
}

const char *command_run(struct server *server, const struct json_object *request)
{
    const struct json_member *name = json_find(request, "cmd");
    uint32_t values[MAX_ARGUMENTS] = {0};
    size_t which = 0, count = 0;
    if (name == NULL || name->kind != JSON_STRING) {
        return "the request has no cmd";
    }
    while (which < COMMAND_COUNT && !is_same(COMMANDS[which].name, name->string)) {
        which++;
    }
    if (which == COMMAND_COUNT) {
        return "there is no such cmd";
    }
    while (count < MAX_ARGUMENTS && COMMANDS[which].keys[count] != NULL) {
        const struct json_member *value = json_find(request, COMMANDS[which].keys[count]);
        if (!is_word(value)) {
            return "a key of this cmd is missing, or is no integer of 32 bits";
        }
        values[count++] = (uint32_t)value->integer;
    }
    const struct json_member *epoch = json_find(request, "epoch");
    if (request->member_count != count + 2 + (epoch != NULL)) { /* id and cmd, and a lease's epoch */
        return "the request has a key that this cmd does not know";
    }
    if (server->line.blob_bytes > 0 && !COMMANDS[which].takes_blob) {
        return "this cmd takes no blob";
    }
    const char *wrong = epoch == NULL ? NULL : enter_lease(server, epoch);
    return wrong != NULL ? wrong : COMMANDS[which].run(server, values);
}
