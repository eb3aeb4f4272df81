#include "check.h"

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
