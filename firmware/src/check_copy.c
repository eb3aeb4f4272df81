#include "check_loops.h"

bool ep_is_copy(const struct ep_engine *engine, const struct ep_plan_op *op, const void *from)
{
    const struct ep_copy_args *args = from;
    const uint32_t arena = engine->header->arena_bytes;
    return visited(args->sizes, arena) != 0 && is_int8(args->fill) &&
           is_inside((uint64_t)op->inputs[0] + args->in_offset,
                     reach(args->sizes, args->in_steps), arena) &&
           is_inside((uint64_t)op->output + args->out_offset,
                     reach(args->sizes, args->out_steps), arena) &&
           is_inside(op->output, args->fill_bytes, arena);
}
