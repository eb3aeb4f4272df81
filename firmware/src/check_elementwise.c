/* Operations on one element, or one row, at a time. */
#include "check.h"

/* The elements that EP_LOOPS loops visit; 0 if they are none or more than `room`. */
static uint64_t visited(const uint32_t sizes[EP_LOOPS], uint64_t room)
{
    uint64_t count = 1;
    for (unsigned i = 0; i < EP_LOOPS; i++) {
        if (sizes[i] == 0 || sizes[i] > room / count) {
            return 0;
        }
        count *= sizes[i];
    }
    return count;
}

/* How many bytes the loops reach over from where they begin, or something above 2^32. */
static uint64_t reach(const uint32_t sizes[EP_LOOPS], const uint32_t steps[EP_LOOPS])
{
    uint64_t last = 0;
    for (unsigned i = 0; i < EP_LOOPS && last <= UINT32_MAX; i++) {
        last += (uint64_t)(sizes[i] - 1) * steps[i];
    }
    return last + 1;
}

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

bool ep_is_lookup(const struct ep_engine *engine, const struct ep_plan_op *op, const void *from)
{
    const struct ep_lookup_args *args = from;
    const uint32_t arena = engine->header->arena_bytes;
    return is_inside(args->table_at, 256, engine->header->plan_bytes) &&
           is_inside(op->inputs[0], args->elements, arena) &&
           is_inside(op->output, args->elements, arena);
}

bool ep_is_softmax(const struct ep_engine *engine, const struct ep_plan_op *op, const void *from)
{
    enum { MAX_COLUMNS = 2048, MAX_DIFF = 255 }; /* so many exponentials, each at most 2^19 */
    const struct ep_softmax_args *args = from;
    const uint32_t arena = engine->header->arena_bytes;
    const uint64_t bytes = (uint64_t)args->rows * args->columns;
    if (args->left_shift < 0 || args->left_shift > MAX_SHIFT || args->diff_min > 0) {
        return false;
    }
    const int64_t diff = args->diff_min < -MAX_DIFF ? -MAX_DIFF : args->diff_min;
    return args->columns > 0 && args->columns <= MAX_COLUMNS && args->multiplier >= 0 &&
           diff * (INT64_C(1) << args->left_shift) >= INT32_MIN &&
           is_inside(op->inputs[0], bytes, arena) && is_inside(op->output, bytes, arena);
}

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
