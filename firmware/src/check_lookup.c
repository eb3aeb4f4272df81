#include "check.h"

bool ep_is_lookup(const struct ep_engine *engine, const struct ep_plan_op *op, const void *from)
{
    const struct ep_lookup_args *args = from;
    const uint32_t arena = engine->header->arena_bytes;
    return is_inside(args->table_at, 256, engine->header->plan_bytes) &&
           is_inside(op->inputs[0], args->elements, arena) &&
           is_inside(op->output, args->elements, arena);
}
