#include "check_loops.h"

bool ep_is_mean(const struct ep_engine *engine, const struct ep_plan_op *op, const void *from)
{
    enum { MAX_REDUCED = 1 << 22 }; /* so many differences of int8 fit into a sum */
    const struct ep_mean_args *args = from;
    const uint32_t arena = engine->header->arena_bytes;
    const uint32_t sizes[EP_LOOPS] = {1, args->outer, args->reduced, args->inner};
    const uint64_t elements = visited(sizes, arena);
    return elements != 0 && args->reduced <= MAX_REDUCED &&
           is_inside(op->inputs[0], elements, arena) &&
           is_inside(op->output, (uint64_t)args->outer * args->inner, arena) &&
           is_factor(args->multiplier, args->shift) && is_int8(args->in_zero_point) &&
           is_int8(args->out_zero_point);
}
