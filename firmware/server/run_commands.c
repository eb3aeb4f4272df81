/* What is done with the network in use. */
#include <string.h>

#include "answer.h"
#include "commands.h"
#include "edgeprune/port.h"
#include "little_endian.h"

enum { MAX_RUNS = LINE_BLOB_BYTES / 4, RECORD_BYTES = 12 };

static const char NOT_LOADED[] = "no network is loaded: send load first";

static void put_tensor(struct text *answer, const struct ep_plan_tensor *tensor)
{
    uint32_t scale_bits;
    memcpy(&scale_bits, &tensor->scale, sizeof scale_bits);
    text_raw(answer, "{\"shape\":[");
    for (unsigned i = 0; i < tensor->rank; i++) {
        text_raw(answer, i == 0 ? "" : ",");
        text_integer(answer, tensor->shape[i]);
    }
    text_raw(answer, "]");
    answer_integer(answer, "bytes", tensor->bytes);
    answer_integer(answer, "scale_bits", scale_bits);
    answer_integer(answer, "zero_point", tensor->zero_point);
    text_raw(answer, "}");
}

static void put_tensors(struct server *server, const char *key, uint32_t first, uint32_t count)
{
    answer_raw(&server->answer, key, "[");
    for (uint32_t i = 0; i < count; i++) {
        text_raw(&server->answer, i == 0 ? "" : ",");
        put_tensor(&server->answer, &server->engine.tensors[first + i]);
    }
    text_raw(&server->answer, "]");
}

const char *command_load(struct server *server, const uint32_t *values)
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
    answer_integer(&server->answer, "arena_bytes", header->arena_bytes);
    answer_integer(&server->answer, "op_count", header->op_count);
    answer_string(&server->answer, "model_id", model_id);
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

const char *command_input(struct server *server, const uint32_t *values)
{
    int8_t *to = NULL;
    const char *wrong = find(server, false, values, (uint32_t)server->line.blob_bytes, &to);
    if (wrong == NULL) {
        memcpy(to, server->line.blob, server->line.blob_bytes);
    }
    return wrong;
}

const char *command_output(struct server *server, const uint32_t *values)
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

const char *infer_once(struct server *server, uint32_t *ticks)
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

const char *command_infer(struct server *server, const uint32_t *values)
{
    uint32_t ticks = 0;
    (void)values;
    const char *wrong = infer_once(server, &ticks);
    if (wrong == NULL) {
        answer_integer(&server->answer, "ticks", ticks);
    }
    return wrong;
}

const char *command_time(struct server *server, const uint32_t *values)
{
    unsigned char *blob = (unsigned char *)server->line.blob;
    uint64_t total_ticks = 0;
    if (values[0] > MAX_RUNS || values[1] > MAX_RUNS) {
        return "so many runs do not fit into one answer";
    }
    for (uint32_t i = 0; i < values[0] + values[1]; i++) {
        uint32_t ticks = 0;
        const char *wrong = infer_once(server, &ticks);
        if (wrong == NULL && line_is_asked(&server->line)) {
            wrong = "stopped by another request";
        }
        if (wrong != NULL) {
            return wrong;
        }
        if (i >= values[0]) {
            put_little32(blob + 4 * (i - values[0]), ticks);
            total_ticks += ticks;
        }
    }
    answer_integer(&server->answer, "total_ticks", (int64_t)total_ticks);
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

const char *command_profile(struct server *server, const uint32_t *values)
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
