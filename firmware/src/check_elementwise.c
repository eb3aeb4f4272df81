#include "check.h"

bool ep_is_add(const struct ep_engine *engine, const struct ep_plan_op *op, const void *from)
{
    const struct ep_add_args *args = from;
    const uint32_t arena = engine->header->arena_bytes;
    for (unsigned i = 0; i < 2; i++) {
        if (!is_inside(op->inputs[i], args->elements, arena) || !is_int8(args->zero_points[i]) ||
            args->multipliers[i] < 0 || args->shifts[i] < 0 || args->shifts[i] > MAX_SHIFT) {
            return false;
        }
    }
    return is_inside(op->output, args->elements, arena) && args->out_multiplier >= 0 &&
           args->out_shift >= 0 && args->out_shift <= MAX_SHIFT && is_int8(args->out_zero_point) &&
           is_int8(args->out_min) && is_int8(args->out_max) && args->out_min <= args->out_max;
}

bool ep_is_softmax(const struct ep_engine *engine, const struct ep_plan_op *op, const void *from)
{
    const struct ep_softmax_args *args = from;
    const uint32_t arena = engine->header->arena_bytes;
    const uint64_t bytes = (uint64_t)args->rows * args->columns;
    return args->columns > 0 && args->columns <= 2048 && args->multiplier >= 0 &&
           args->left_shift >= 0 && args->left_shift <= MAX_SHIFT && args->diff_min <= 0 &&
           is_inside(op->inputs[0], bytes, arena) && is_inside(op->output, bytes, arena);
}
