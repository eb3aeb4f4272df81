#include "kernel_table.h"

#include <stddef.h>

#include "dsp_depthwise.h"

#if EP_HAS_DSP
#define IF_DSP(kernel) kernel
#else
#define IF_DSP(kernel) NULL
#endif

#if EP_HAS_MVE
#define IF_MVE(kernel) kernel
#else
#define IF_MVE(kernel) NULL
#endif

ep_conv_kernel *ep_conv_kernel_of(const struct ep_plan_op *op)
{
    static ep_conv_kernel *const KERNELS[3][EP_PATTERN_END][EP_ISA_END] = {
        {
            [EP_DENSE] = {ep_s8_conv_2d_dense__scalar, IF_DSP(ep_s8_conv_2d_dense__dsp),
                          IF_MVE(ep_s8_conv_2d_dense__mve)},
            [EP_BLOCKS_1X4] = {ep_s8_conv_2d_blocks_1x4__scalar,
                               IF_DSP(ep_s8_conv_2d_blocks_1x4__dsp)},
            [EP_UNSTRUCTURED] = {ep_s8_conv_2d_unstructured__scalar,
                                 IF_DSP(ep_s8_conv_2d_unstructured__dsp)},
            [EP_BLOCKS_1X16] = {ep_s8_conv_2d_blocks_1x16__scalar, NULL,
                                IF_MVE(ep_s8_conv_2d_blocks_1x16__mve)},
        },
        {
            [EP_DENSE] = {ep_s8_depthwise_conv_2d_dense__scalar,
                          IF_DSP(ep_s8_depthwise_conv_2d_dense__dsp),
                          IF_MVE(ep_s8_depthwise_conv_2d_dense__mve)},
        },
        {
            [EP_DENSE] = {ep_s8_fully_connected_dense__scalar, NULL,
                          IF_MVE(ep_s8_fully_connected_dense__mve)},
            [EP_DENSE_4_ROWS] = {ep_s8_fully_connected_dense_4_rows__scalar,
                                 IF_DSP(ep_s8_fully_connected_dense_4_rows__dsp)},
            [EP_BLOCKS_1X4] = {ep_s8_fully_connected_blocks_1x4__scalar,
                               IF_DSP(ep_s8_fully_connected_blocks_1x4__dsp)},
            [EP_UNSTRUCTURED] = {ep_s8_fully_connected_unstructured__scalar,
                                 IF_DSP(ep_s8_fully_connected_unstructured__dsp)},
            [EP_BLOCKS_1X16] = {ep_s8_fully_connected_blocks_1x16__scalar, NULL,
                                IF_MVE(ep_s8_fully_connected_blocks_1x16__mve)},
        },
    };
    if (op->kind < EP_CONV_2D || op->kind > EP_FULLY_CONNECTED || op->pattern >= EP_PATTERN_END ||
        op->isa >= EP_ISA_END) {
        return NULL;
    }
    return KERNELS[op->kind - EP_CONV_2D][op->pattern][op->isa];
}

ep_arithmetic_kernel *ep_arithmetic_kernel_of(const struct ep_plan_op *op)
{
    static ep_arithmetic_kernel *const KERNELS[EP_KIND_END][EP_ISA_END] = {
        [EP_ADD] = {ep_s8_add__scalar, IF_DSP(ep_s8_add__dsp),
                    IF_MVE(ep_s8_add__mve)},
        [EP_SUB] = {ep_s8_sub__scalar},
        [EP_MUL] = {ep_s8_mul__scalar},
    };
    return op->kind < EP_KIND_END && op->isa < EP_ISA_END ? KERNELS[op->kind][op->isa] : NULL;
}

ep_kernel *ep_plain_kernel_of(const struct ep_plan_op *op)
{
    static ep_kernel *const KERNELS[EP_KIND_END][EP_ISA_END] = {
        [EP_AVERAGE_POOL_2D] = {ep_s8_average_pool_2d__scalar,
                                [EP_MVE] = IF_MVE(ep_s8_average_pool_2d__mve)},
        [EP_MAX_POOL_2D] = {ep_s8_max_pool_2d__scalar},
        [EP_SOFTMAX] = {ep_s8_softmax__scalar},
        [EP_MEAN] = {ep_s8_mean__scalar},
        [EP_COPY] = {ep_s8_copy__scalar},
    };
    return op->kind < EP_KIND_END && op->isa < EP_ISA_END ? KERNELS[op->kind][op->isa] : NULL;
}

ep_lookup_kernel *ep_lookup_kernel_of(const struct ep_plan_op *op)
{
    static ep_lookup_kernel *const KERNELS[EP_ISA_END] = {ep_s8_lookup__scalar};
    return op->kind == EP_LOOKUP && op->isa < EP_ISA_END ? KERNELS[op->isa] : NULL;
}

static uint64_t fours(uint64_t side) { return (side + 3) / 4; }

uint64_t ep_conv_row_bytes(const struct ep_plan_op *op, const struct ep_window *window)
{
    const uint64_t height = window->kernel_height, width = window->kernel_width;
    if (op->kind == EP_DEPTHWISE_CONV_2D) {
        return op->isa == EP_MVE ? fours(height) * fours(width) * 16 : height * width;
    }
    const uint64_t align = op->isa == EP_MVE || op->pattern == EP_BLOCKS_1X16 ? 16 : 8;
    return (height * width * window->in_channels + align - 1) & ~(align - 1);
}

uint64_t ep_conv_rows(const struct ep_plan_op *op, const struct ep_window *window)
{
    const int is_alone = op->isa != EP_MVE || op->kind == EP_DEPTHWISE_CONV_2D;
    return is_alone ? window->out_channels : fours(window->out_channels) * 4;
}

#if EP_HAS_MVE
static uint64_t mve_scratch_bytes(const struct ep_plan_op *op, const struct ep_conv_args *args)
{
    const struct ep_window *window = &args->window;
    const uint64_t stride = window->stride_width, kernel = window->kernel_width;
    if (op->kind == EP_CONV_2D && op->pattern == EP_BLOCKS_1X16) { /* eight pixels, and one alone */
        return args->row_bytes * (UINT64_C(8) + (window->in_channels % 16 != 0));
    }
    switch (op->kind) {
    case EP_CONV_2D: { /* 16 pixels, or padding and what a row of outputs reads; and 16 bytes beyond */
        if (ep_is_pointwise(window)) {
            return (uint64_t)window->in_channels * 16 + 16;
        }
        const uint64_t step = window->dilation_width == 1 && stride < kernel ? stride : kernel;
        const uint64_t columns = (window->out_width - 1) * step + kernel;
        return (columns * window->kernel_height + 1) * window->in_channels + 16;
    }
    case EP_DEPTHWISE_CONV_2D: { /* the padding, and of each column four rows of 16 channels */
        const uint64_t columns = (fours(window->out_width) * 4 - 1) * stride +
                                 (fours(kernel) * 4 - 1) * window->dilation_width + 1;
        return 16 + fours(window->kernel_height) * columns * 64;
    }
    default: /* the input, filled up with zeros */
        return args->row_bytes;
    }
}
#endif

uint64_t ep_conv_scratch_bytes(const struct ep_plan_op *op, const struct ep_conv_args *args)
{
#if EP_HAS_MVE
    if (op->isa == EP_MVE) {
        return mve_scratch_bytes(op, args);
    }
#endif
    const struct ep_window *window = &args->window;
    if (op->isa != EP_DSP) {
        return 0;
    }
    switch (op->kind) {
    case EP_CONV_2D: /* four pixels as int16, and one as it is if it is gathered byte by byte */
        return (uint64_t)args->row_bytes *
               (window->in_channels % 4 == 0 && op->pattern != EP_UNSTRUCTURED ? 8 : 9);
    case EP_DEPTHWISE_CONV_2D:
        return dsp_depthwise_scratch_bytes(window);
    default: /* the input as int16 */
        return op->pattern == EP_UNSTRUCTURED ? 0 : (uint64_t)args->row_bytes * 2;
    }
}
