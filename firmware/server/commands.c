#include "commands.h"

#include <string.h>

#include "edgeprune/port.h"
#include "little_endian.h"

enum { PROTOCOL = 1, MAX_ARGUMENTS = 3, MAX_RUNS = LINE_BLOB_BYTES / 4, RECORD_BYTES = 12 };

#ifndef EP_VERSION
#define EP_VERSION "unnamed"
#endif

static const char NOT_LOADED[] = "no network is loaded: send load first";

/* The values of a request, in the order of its command's keys. */
typedef const char *command(struct server *server, const uint32_t *values);

static void put_raw(struct server *server, const char *key, const char *value)
{
    text_raw(&server->answer, ",\"");
    text_raw(&server->answer, key);
    text_raw(&server->answer, "\":");
    text_raw(&server->answer, value);
}

static void put_integer(struct server *server, const char *key, int64_t value)
{
    put_raw(server, key, "");
    text_integer(&server->answer, value);
}

static void put_string(struct server *server, const char *key, const char *value)
{
    put_raw(server, key, "");
    text_string(&server->answer, value);
}

static void put_boolean(struct server *server, const char *key, bool value)
{
    put_raw(server, key, value ? "true" : "false");
}

static const char *hello(struct server *server, const uint32_t *values)
{
    struct slot_state state = {0};
    (void)values;
    if (server->slots.used != SLOT_NONE) {
        state = slot_read(server->slots.used);
    }
    put_string(server, "agent_version", EP_VERSION);
    put_integer(server, "protocol", PROTOCOL);
    put_string(server, "board", ep_port.board);
    put_string(server, "core", ep_port.core);
    put_raw(server, "isas", "[\"scalar\"");
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
    text_raw(&server->answer, ",\"dsp\"");
#endif
#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE
    text_raw(&server->answer, ",\"mve\"");
#endif
    text_raw(&server->answer, "]");
    put_integer(server, "tick_hz", ep_port.is_emulated ? 0 : ep_port.tick_hz);
    put_boolean(server, "counts_cycles", ep_port.counts_cycles);
    put_integer(server, "arena_bytes", (int64_t)ep_port.arena_bytes);
    put_integer(server, "slot_bytes", slot_room());
    put_integer(server, "json_bytes", LINE_JSON_BYTES);
    put_integer(server, "blob_bytes", LINE_BLOB_BYTES);
    put_integer(server, "plan_version", EP_PLAN_VERSION);
    put_integer(server, "slot", server->slots.used);
    put_integer(server, "sequence", state.sequence);
    put_integer(server, "plan_crc32", state.plan_crc32);
    put_integer(server, "plan_bytes", state.plan_bytes);
    put_boolean(server, "fell_back", server->slots.fell_back);
    return NULL;
}

/* Another network is in use. */
static void forget(struct server *server)
{
    server->is_loaded = false;
    server->loaded = (struct loaded){0, 0, 0};
}

static const char *store_begin(struct server *server, const uint32_t *values)
{
    const int used = server->slots.used;
    const char *wrong = slots_begin(&server->slots, &server->engine, values[0], values[1]);
    if (server->slots.used != used) {
        forget(server);
    }
    if (wrong == NULL) {
        put_integer(server, "at", server->slots.filled_bytes);
    }
    return wrong;
}

static const char *store(struct server *server, const uint32_t *values)
{
    const uint32_t bytes = (uint32_t)server->line.blob_bytes;
    const uint32_t filled = server->slots.filled_bytes;
    if (server->slots.filling == SLOT_NONE || values[0] != filled) {
        if (server->slots.filling == SLOT_NONE || values[0] > filled || bytes != filled - values[0]) {
            return "a piece does not begin where the last one ended: send store_begin";
        }
    } else { /* else it came before, and its answer was lost */
        const char *wrong = slots_write(&server->slots, server->line.blob, bytes);
        if (wrong != NULL) {
            return wrong;
        }
    }
    put_integer(server, "at", server->slots.filled_bytes);
    return NULL;
}

static const char *store_end(struct server *server, const uint32_t *values)
{
    (void)values;
    const char *wrong = slots_end(&server->slots, &server->engine);
    forget(server);
    if (wrong == NULL) {
        put_integer(server, "slot", server->slots.used);
        put_integer(server, "sequence", slot_read(server->slots.used).sequence);
    }
    return wrong;
}

static void put_tensor(struct server *server, const struct ep_plan_tensor *tensor)
{
    uint32_t scale_bits;
    memcpy(&scale_bits, &tensor->scale, sizeof scale_bits);
    text_raw(&server->answer, "{\"shape\":[");
    for (unsigned i = 0; i < tensor->rank; i++) {
        text_raw(&server->answer, i == 0 ? "" : ",");
        text_integer(&server->answer, tensor->shape[i]);
    }
    text_raw(&server->answer, "]");
    put_integer(server, "bytes", tensor->bytes);
    put_integer(server, "scale_bits", scale_bits);
    put_integer(server, "zero_point", tensor->zero_point);
    text_raw(&server->answer, "}");
}

static void put_tensors(struct server *server, const char *key, uint32_t first, uint32_t count)
{
    put_raw(server, key, "[");
    for (uint32_t i = 0; i < count; i++) {
        text_raw(&server->answer, i == 0 ? "" : ",");
        put_tensor(server, &server->engine.tensors[first + i]);
    }
    text_raw(&server->answer, "]");
}

static const char *load(struct server *server, const uint32_t *values)
{
    static const char HEX[] = "0123456789abcdef";
    char model_id[2 * EP_MODEL_ID_BYTES + 1] = {0};
    (void)values;
    if (server->slots.used == SLOT_NONE) {
        return "there is no plan: store one first";
    }
    const struct ep_plan_header *header = server->engine.header;
    for (unsigned i = 0; i < EP_MODEL_ID_BYTES; i++) {
        model_id[2 * i] = HEX[header->model_id[i] >> 4];
        model_id[2 * i + 1] = HEX[header->model_id[i] & 15];
    }
    put_tensors(server, "inputs", 0, header->input_count);
    put_tensors(server, "outputs", header->input_count, header->output_count);
    put_integer(server, "arena_bytes", header->arena_bytes);
    put_integer(server, "op_count", header->op_count);
    put_string(server, "model_id", model_id);
    server->is_loaded = true;
    return NULL;
}

/* Finds `bytes` bytes of an input or output. */
static const char *find(const struct server *server, bool is_output, const uint32_t *values,
                        uint32_t bytes, int8_t **found)
{
    if (!server->is_loaded) {
        return NOT_LOADED;
    }
    const struct ep_plan_header *header = server->engine.header;
    if (values[0] >= (is_output ? header->output_count : header->input_count)) {
        return "the network has no tensor of that number";
    }
    const struct ep_plan_tensor *tensor = is_output ? ep_output_tensor(&server->engine, values[0])
                                                    : ep_input_tensor(&server->engine, values[0]);
    if (values[1] > tensor->bytes || bytes > tensor->bytes - values[1]) {
        return "the tensor has not so many bytes";
    }
    *found = (int8_t *)server->engine.arena + tensor->arena_at + values[1];
    return NULL;
}

static const char *input(struct server *server, const uint32_t *values)
{
    int8_t *to = NULL;
    const char *wrong = find(server, false, values, (uint32_t)server->line.blob_bytes, &to);
    if (wrong == NULL) {
        memcpy(to, server->line.blob, server->line.blob_bytes);
    }
    return wrong;
}

static const char *output(struct server *server, const uint32_t *values)
{
    int8_t *from = NULL;
    const char *wrong = find(server, true, values, values[2], &from);
    if (wrong == NULL && values[2] > LINE_BLOB_BYTES) {
        wrong = "so many bytes do not fit into one answer";
    }
    if (wrong == NULL) {
        memcpy(server->line.blob, from, values[2]);
        server->answer_blob_bytes = values[2];
    }
    return wrong;
}

const char *command_infer(struct server *server, uint32_t *ticks)
{
    if (!server->is_loaded) {
        return NOT_LOADED;
    }
    const char *wrong = slots_note_tried(&server->slots);
    if (wrong != NULL) {
        return wrong;
    }
    (void)line_ticks();
    const uint32_t begin = ep_port_ticks();
    ep_run(&server->engine, NULL, NULL);
    *ticks = ep_port_ticks() - begin;
    return slots_note_good(&server->slots);
}

static const char *infer(struct server *server, const uint32_t *values)
{
    uint32_t ticks = 0;
    (void)values;
    const char *wrong = command_infer(server, &ticks);
    if (wrong == NULL) {
        put_integer(server, "ticks", ticks);
    }
    return wrong;
}

static const char *time_runs(struct server *server, const uint32_t *values)
{
    unsigned char *blob = (unsigned char *)server->line.blob;
    uint64_t total_ticks = 0;
    if (values[0] > MAX_RUNS || values[1] > MAX_RUNS) {
        return "so many runs do not fit into one answer";
    }
    for (uint32_t i = 0; i < values[0] + values[1]; i++) {
        uint32_t ticks = 0;
        const char *wrong = command_infer(server, &ticks);
        if (wrong != NULL) {
            return wrong;
        }
        if (i >= values[0]) {
            put_little32(blob + 4 * (i - values[0]), ticks);
            total_ticks += ticks;
        }
    }
    put_integer(server, "total_ticks", (int64_t)total_ticks);
    server->answer_blob_bytes = 4 * values[1];
    return NULL;
}

struct stopwatch {
    unsigned char *next; /* record */
    uint32_t begin;
};

static void note_op(void *context, uint32_t op)
{
    struct stopwatch *watch = context;
    (void)op;
    put_little32(watch->next, ep_port_ticks() - watch->begin);
    watch->next += RECORD_BYTES;
    watch->begin = ep_port_ticks();
}

static const char *profile(struct server *server, const uint32_t *values)
{
    unsigned char *blob = (unsigned char *)server->line.blob;
    (void)values;
    if (!server->is_loaded) {
        return NOT_LOADED;
    }
    const uint32_t count = server->engine.header->op_count;
    if (count > LINE_BLOB_BYTES / RECORD_BYTES) {
        return "the network has more operations than fit into one answer";
    }
    const char *wrong = slots_note_tried(&server->slots);
    if (wrong != NULL) {
        return wrong;
    }
    struct stopwatch watch = {blob, ep_port_ticks()};
    ep_run(&server->engine, note_op, &watch);
    for (uint32_t i = 0; i < count; i++) {
        const struct ep_plan_op *op = &server->engine.ops[i];
        unsigned char *record = blob + RECORD_BYTES * i;
        record[4] = op->kind;
        record[5] = op->pattern;
        record[6] = op->isa;
        record[7] = 0;
        put_little32(record + 8, op->layer);
    }
    server->answer_blob_bytes = RECORD_BYTES * count;
    return slots_note_good(&server->slots);
}

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
    {"hello", hello, {NULL}, false},
    {"store_begin", store_begin, {"bytes", "crc32"}, false},
    {"store", store, {"at"}, true},
    {"store_end", store_end, {NULL}, false},
    {"load", load, {NULL}, false},
    {"input", input, {"tensor", "at"}, true},
    {"infer", infer, {NULL}, false},
    {"output", output, {"tensor", "at", "bytes"}, false},
    {"time", time_runs, {"warmup", "runs"}, false},
    {"profile", profile, {NULL}, false},
    {"reset", reset, {NULL}, false},
};

enum { COMMAND_COUNT = sizeof COMMANDS / sizeof *COMMANDS };

static bool is_same(const char *one, const char *other)
{
    const size_t bytes = strlen(one);
    return strlen(other) == bytes && memcmp(one, other, bytes) == 0;
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
        if (value == NULL || value->kind != JSON_INTEGER || value->integer < 0 ||
            value->integer > UINT32_MAX) {
            return "a key of this cmd is missing, or is no integer of 32 bits";
        }
        values[count++] = (uint32_t)value->integer;
    }
    if (request->member_count != count + 2) { /* and id and cmd */
        return "the request has a key that this cmd does not know";
    }
    if (server->line.blob_bytes > 0 && !COMMANDS[which].takes_blob) {
        return "this cmd takes no blob";
    }
    return COMMANDS[which].run(server, values);
}
