#include "check_loops.h"

static bool is_broadcast(const struct ep_engine *engine, const struct ep_plan_op *op,
                         const struct ep_broadcast *broadcast)
{
    const uint32_t arena = engine->header->arena_bytes, room = engine->header->plan_bytes;
    const uint64_t elements = visited(broadcast->sizes, arena);
    if (elements == 0 || !is_inside(op->output, elements, arena)) {
        return false;
    }
    for (unsigned i = 0; i < EP_MAX_INPUTS; i++) {
        const uint64_t bytes = reach(broadcast->sizes, broadcast->steps[i]);
        if (op->inputs[i] == EP_NOWHERE ? !is_inside(broadcast->constant_at[i], bytes, room)
                                        : !is_inside(op->inputs[i], bytes, arena)) {
            return false;
        }
    }
    return true;
}

/* Whether the kernel for pairs computes it exactly: one factor is 1/2 (ep_s8_add__dsp.c). */
static bool is_dsp_add(const struct ep_add_args *args)
{
    enum { HALF = 1 << 30, MAX_DSP_SHIFT = 22 };
    bool is_halved = false;
    for (unsigned i = 0; i < 2; i++) {
        if (args->shifts[i] == 0 ? args->multipliers[i] != HALF : args->shifts[i] > MAX_DSP_SHIFT) {
            return false;
        }
        is_halved = is_halved || args->shifts[i] == 0;
    }
    return is_halved && args->out_multiplier >= HALF && args->out_shift >= 1 &&
           args->out_shift <= MAX_DSP_SHIFT;
}

bool ep_is_add(const struct ep_engine *engine, const struct ep_plan_op *op, const void *from)
{
    const struct ep_add_args *args = from;
    for (unsigned i = 0; i < 2; i++) {
        if (!is_int8(args->zero_points[i]) || !is_factor(args->multipliers[i], args->shifts[i]) ||
            args->shifts[i] < 0) {
            return false;
        }
    }
    return is_broadcast(engine, op, &args->broadcast) &&
           is_factor(args->out_multiplier, args->out_shift) &&
           (op->isa == EP_SCALAR || args->out_shift >= 0) &&
           (op->isa != EP_DSP || is_dsp_add(args)) && is_int8(args->out_zero_point) &&
           is_range(args->out_min, args->out_max);
}

bool ep_is_mul(const struct ep_engine *engine, const struct ep_plan_op *op, const void *from)
{
    const struct ep_mul_args *args = from;
    return is_broadcast(engine, op, &args->broadcast) && is_int8(args->zero_points[0]) &&
           is_int8(args->zero_points[1]) && is_factor(args->multiplier, args->shift) &&
           is_int8(args->out_zero_point) && is_range(args->out_min, args->out_max);
}
