#include "check.h"

static bool is_side(uint32_t value) { return value > 0 && value <= MAX_SIDE; }

bool ep_is_window(const struct ep_window *window)
{
    return is_side(window->in_height) && is_side(window->in_width) &&
           window->in_channels > 0 && is_side(window->out_height) &&
           is_side(window->out_width) && window->out_channels > 0 &&
           is_side(window->kernel_height) && is_side(window->kernel_width) &&
           is_side(window->stride_height) && is_side(window->stride_width) &&
           is_side(window->dilation_height) && is_side(window->dilation_width) &&
           window->pad_top <= MAX_SIDE && window->pad_left <= MAX_SIDE &&
           is_int8(window->in_zero_point) && is_int8(window->out_zero_point) &&
           is_int8(window->out_min) && is_int8(window->out_max) &&
           window->out_min <= window->out_max;
}

bool ep_is_pool(const struct ep_engine *engine, const struct ep_plan_op *op, const void *from)
{
    const struct ep_pool_args *args = from;
    const struct ep_window *window = &args->window;
    const uint32_t arena = engine->header->arena_bytes;
    return ep_is_window(window) && window->in_channels == window->out_channels &&
           window->pad_top < window->kernel_height && window->pad_left < window->kernel_width &&
           (uint32_t)(window->out_height - 1) * window->stride_height <
               (uint32_t)window->in_height + window->pad_top &&
           (uint32_t)(window->out_width - 1) * window->stride_width <
               (uint32_t)window->in_width + window->pad_left &&
           is_inside(op->inputs[0], in_bytes(window), arena) &&
           is_inside(op->output, out_bytes(window), arena);
}
