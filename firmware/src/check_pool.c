#include "check.h"

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
