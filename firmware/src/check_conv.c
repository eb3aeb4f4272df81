#include "check.h"
#include "kernel_table.h"

enum { MIN_MULTIPLIER = 1 << 30, MAX_PRODUCT = 1 << 14, MAX_DSP_SUM = 1 << 30, MAX_DSP_SHIFT = 22 };

/* Whether a channel's sums fit into 32 bits and, for tuned kernels, are computed exactly (dsp.h).
 * `row`: weights of a channel. */
static bool is_channel(const struct ep_plan_op *op, const struct ep_channel *channel, int32_t shift,
                       uint64_t row)
{
    const int64_t bias = channel->bias;
    const uint64_t max_sum = row * MAX_PRODUCT + (uint64_t)(bias < 0 ? -bias : bias);
    const bool is_once = op->kind == EP_FULLY_CONNECTED;
    if (op->isa == EP_SCALAR) {
        return max_sum <= INT32_MAX && channel->multiplier >= 0 && shift <= MAX_SHIFT &&
               shift >= (is_once ? -30 : -MAX_SHIFT);
    }
    return max_sum < MAX_DSP_SUM &&
           channel->multiplier >= (op->isa == EP_DSP ? MIN_MULTIPLIER : 0) &&
           shift >= (op->isa == EP_DSP && is_once ? 2 : 1) &&
           shift <= MAX_DSP_SHIFT;
}

/* Whether the counts of a sparse layer agree with its index and weights, and no row is left. `row`: blocks
 * of `block` weights that a channel has. */
static bool is_sparse(const struct ep_engine *engine, const struct ep_conv_args *args, uint64_t row,
                      uint32_t block)
{
    const uint32_t room = engine->header->plan_bytes, channels = args->window.out_channels;
    if (!is_table(args->counts_at, channels, sizeof(uint16_t), room) ||
        !is_table(args->index_at, args->index_bytes, 1, room) ||
        args->weights_bytes != (uint64_t)args->index_bytes * block) {
        return false;
    }
    const uint16_t *counts = (const void *)(engine->plan + args->counts_at);
    const uint8_t *index = engine->plan + args->index_at;
    uint32_t left = args->index_bytes;
    for (uint32_t c = 0; c < channels; c++) {
        uint64_t reached = 0;
        if (counts[c] > left) {
            return false;
        }
        left -= counts[c];
        for (uint32_t i = 0; i < counts[c]; i++) {
            reached += *index++ + UINT64_C(1);
        }
        if (reached > row) {
            return false;
        }
    }
    return left == 0;
}

static bool are_weights(const struct ep_engine *engine, const struct ep_plan_op *op,
                        const struct ep_conv_args *args, uint64_t row)
{
    const uint64_t rows = ep_conv_rows(op, &args->window), row_bytes = args->row_bytes;
    if (!is_table(args->weights_at, args->weights_bytes, 1, engine->header->plan_bytes)) {
        return false;
    }
    switch (op->pattern) {
    case EP_BLOCKS_1X4:
        return is_sparse(engine, args, row_bytes / 4, 4);
    case EP_BLOCKS_1X16:
        return is_sparse(engine, args, row_bytes / 16, 16);
    case EP_UNSTRUCTURED:
        return is_sparse(engine, args, row, 1);
    case EP_DENSE_4_ROWS:
        return args->weights_bytes == row_bytes * ((rows + 3) / 4 * 4);
    default:
        return args->weights_bytes == row_bytes * rows;
    }
}

/* Whether an output begins to read left of, or above, the input by less than a whole kernel. */
static bool is_padding(uint32_t pad, uint32_t kernel, uint32_t dilation)
{
    return pad <= (kernel - 1) * dilation;
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
    const uint64_t row = (uint64_t)window->kernel_height * window->kernel_width *
                         (is_depthwise ? 1 : window->in_channels);
    if (args->row_bytes != row_bytes || !are_weights(engine, op, args, row) ||
        !is_table(args->channels_at, rows, sizeof(struct ep_channel), room) ||
        !is_table(args->shifts_at, rows, 1, room) ||
        !is_inside(op->inputs[0], in_bytes(window), arena) ||
        !is_inside(op->output, out_bytes(window), arena) || op->inputs[1] != EP_NOWHERE) {
        return false;
    }
    if (!is_padding(window->pad_top, window->kernel_height, window->dilation_height) ||
        !is_padding(window->pad_left, window->kernel_width, window->dilation_width)) {
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
    const int8_t *shifts = (const int8_t *)(engine->plan + args->shifts_at);
    for (uint32_t c = 0; c < window->out_channels; c++) {
        if (!is_channel(op, &channels[c], shifts[c], row)) {
            return false;
        }
    }
    return true;
}
