/* Holds a plan against its block of bytes and the arena, and asks the judge of every operation. */
#include "check.h"
#include "crc32.h"
#include "kinds.h"

enum { CHECKED_FROM = 12 };

static enum ep_status check_header(const struct ep_plan_header *header, const uint8_t *plan,
                                   size_t plan_bytes, size_t arena_bytes)
{
    if (header->magic != EP_PLAN_MAGIC) {
        return EP_NO_PLAN;
    }
    if (header->plan_bytes < sizeof *header || header->plan_bytes > plan_bytes ||
        crc32_of(0, plan + CHECKED_FROM, header->plan_bytes - CHECKED_FROM) != header->crc32) {
        return EP_DAMAGED;
    }
    if (header->version != EP_PLAN_VERSION) {
        return EP_OTHER_VERSION;
    }
    if (header->arena_bytes > arena_bytes) {
        return EP_NO_ROOM;
    }
    const uint64_t tensors = (uint64_t)header->input_count + header->output_count;
    if (!is_table(header->tensors_at, tensors, sizeof(struct ep_plan_tensor), header->plan_bytes) ||
        !is_table(header->ops_at, header->op_count, sizeof(struct ep_plan_op),
                  header->plan_bytes)) {
        return EP_DAMAGED;
    }
    return EP_OK;
}

static bool is_tensor(const struct ep_plan_tensor *tensor, uint32_t arena_bytes)
{
    uint64_t bytes = 1;
    if (tensor->type != EP_INT8 || tensor->rank > EP_MAX_RANK) {
        return false;
    }
    for (unsigned i = 0; i < tensor->rank; i++) {
        bytes *= tensor->shape[i];
        if (bytes == 0 || bytes > UINT32_MAX) {
            return false;
        }
    }
    return bytes == tensor->bytes && is_inside(tensor->arena_at, bytes, arena_bytes);
}

static enum ep_status check_op(const struct ep_engine *engine, const struct ep_plan_op *op)
{
    const struct ep_kind_entry *kind = ep_kind_of(op);
    if (kind == NULL) {
        return EP_NO_KERNEL;
    }
    if (!is_table(op->args_at, 1, kind->args_bytes, engine->header->plan_bytes)) {
        return EP_BAD_OP;
    }
    return kind->is_good(engine, op, engine->plan + op->args_at) ? EP_OK : EP_BAD_OP;
}

enum ep_status ep_prepare(struct ep_engine *engine, const void *plan, size_t plan_bytes, void *arena,
                          size_t arena_bytes)
{
    if (plan_bytes < sizeof(struct ep_plan_header) || (uintptr_t)plan % EP_PLAN_ALIGN != 0 ||
        (uintptr_t)arena % EP_PLAN_ALIGN != 0) {
        return EP_NO_PLAN;
    }
    const struct ep_plan_header *header = plan;
    enum ep_status status = check_header(header, plan, plan_bytes, arena_bytes);
    if (status != EP_OK) {
        return status;
    }
    engine->plan = plan;
    engine->header = header;
    engine->tensors = (const void *)(engine->plan + header->tensors_at);
    engine->ops = (const void *)(engine->plan + header->ops_at);
    engine->arena = arena;
    for (unsigned i = 0; i < (unsigned)header->input_count + header->output_count; i++) {
        if (!is_tensor(&engine->tensors[i], header->arena_bytes)) {
            return EP_BAD_TENSOR;
        }
    }
    for (engine->bad_op = 0; engine->bad_op < header->op_count; engine->bad_op++) {
        status = check_op(engine, &engine->ops[engine->bad_op]);
        if (status != EP_OK) {
            return status;
        }
    }
    return EP_OK;
}

const char *ep_status_text(enum ep_status status)
{
    switch (status) {
    case EP_OK:
        return "the plan is ready";
    case EP_NO_PLAN:
        return "these bytes are no plan";
    case EP_OTHER_VERSION:
        return "the plan is of another version: compile it anew";
    case EP_DAMAGED:
        return "the plan is damaged: push it again";
    case EP_NO_ROOM:
        return "the arena is too small for the plan";
    case EP_BAD_TENSOR:
        return "an input or output of the plan does not fit into its arena";
    case EP_BAD_OP:
        return "an operation of the plan does not fit";
    case EP_NO_KERNEL:
        return "this firmware has no kernel for an operation of the plan";
    }
    return "unknown status";
}
