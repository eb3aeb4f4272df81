#include "check.h"
#include "kernel_table.h"

/* Whether the tuned kernels compute a channel exactly: dsp.h. */
static bool is_channel(const struct ep_plan_op *op, const struct ep_channel *channel)
{
    if (channel->multiplier < 0 || channel->shift > MAX_SHIFT || channel->shift < -MAX_SHIFT ||
        (op->kind == EP_FULLY_CONNECTED && channel->shift < -30)) {
        return false;
    }
    return op->isa == EP_SCALAR || (channel->shift >= 1 && channel->shift <= 22);
}

bool ep_is_conv(const struct ep_engine *engine, const struct ep_plan_op *op, const void *from)
{
    const struct ep_conv_args *args = from;
    const struct ep_window *window = &args->window;
    const uint32_t room = engine->header->plan_bytes, arena = engine->header->arena_bytes;
    if (!ep_is_window(window) || args->row_bytes > (uint32_t)INT32_MAX) {
        return false;
    }
    const bool is_depthwise = op->kind == EP_DEPTHWISE_CONV_2D;
    const uint64_t row_bytes = ep_conv_row_bytes(op, window), rows = ep_conv_rows(op, window);
    const uint64_t scratch_bytes = ep_conv_scratch_bytes(op, args);
    if (args->row_bytes != row_bytes || args->weights_bytes != row_bytes * rows ||
        !is_table(args->weights_at, args->weights_bytes, 1, room) ||
        !is_table(args->channels_at, rows, sizeof(struct ep_channel), room) ||
        !is_inside(op->inputs[0], in_bytes(window), arena) ||
        !is_inside(op->output, out_bytes(window), arena) || op->inputs[1] != EP_NOWHERE) {
        return false;
    }
    if (is_depthwise && window->in_channels != window->out_channels) {
        return false;
    }
    if (op->kind == EP_FULLY_CONNECTED &&
        (in_bytes(window) != window->in_channels || out_bytes(window) != window->out_channels ||
         window->kernel_height != 1 || window->kernel_width != 1)) {
        return false;
    }
    if (op->isa == EP_DSP && op->kind != EP_FULLY_CONNECTED &&
        (window->out_min != INT8_MIN || window->out_max != INT8_MAX)) {
        return false;
    }
    if (op->isa == EP_DSP && is_depthwise &&
        (window->dilation_height != 1 || window->dilation_width != 1)) {
        return false;
    }
    if (scratch_bytes != 0 &&
        (op->scratch % EP_PLAN_ALIGN != 0 || op->scratch_bytes < scratch_bytes ||
         !is_inside(op->scratch, op->scratch_bytes, arena) ||
         !are_apart(op->scratch, op->scratch_bytes, op->inputs[0], in_bytes(window)) ||
         !are_apart(op->scratch, op->scratch_bytes, op->output, out_bytes(window)))) {
        return false;
    }
    const struct ep_channel *channels = (const void *)(engine->plan + args->channels_at);
    for (uint32_t c = 0; c < window->out_channels; c++) {
        if (!is_channel(op, &channels[c])) {
            return false;
        }
    }
    return true;
}
