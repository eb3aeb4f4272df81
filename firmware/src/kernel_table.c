#include "kernel_table.h"

#include <stddef.h>

#if EP_HAS_DSP
#define IF_DSP(kernel) kernel
#else
#define IF_DSP(kernel) NULL
#endif

ep_conv_kernel *ep_conv_kernel_of(const struct ep_plan_op *op)
{
    static ep_conv_kernel *const KERNELS[3][EP_PATTERN_END][EP_ISA_END] = {
        {{ep_s8_conv_2d_dense__scalar, IF_DSP(ep_s8_conv_2d_dense__dsp)}},
        {{ep_s8_depthwise_conv_2d_dense__scalar, IF_DSP(ep_s8_depthwise_conv_2d_dense__dsp)}},
        {{ep_s8_fully_connected_dense__scalar, IF_DSP(ep_s8_fully_connected_dense__dsp)}},
    };
    if (op->kind < EP_CONV_2D || op->kind > EP_FULLY_CONNECTED || op->pattern >= EP_PATTERN_END ||
        op->isa >= EP_ISA_END) {
        return NULL;
    }
    return KERNELS[op->kind - EP_CONV_2D][op->pattern][op->isa];
}

uint64_t ep_conv_scratch_bytes(const struct ep_plan_op *op, const struct ep_conv_args *args)
{
    const struct ep_window *window = &args->window;
    if (op->isa == EP_SCALAR) {
        return 0;
    }
    switch (op->kind) {
    case EP_CONV_2D: /* four pixels as int16, and one as it is */
        return (uint64_t)args->row_bytes * (4 * 2 + 1);
    case EP_DEPTHWISE_CONV_2D: { /* one channel's map with its padding, as int16 */
        const uint64_t rows =
            (uint64_t)(window->out_height - 1) * window->stride_height + window->kernel_height;
        const uint64_t columns =
            (uint64_t)(window->out_width - 1) * window->stride_width + window->kernel_width;
        return rows * ((columns + 3) & ~(uint64_t)1) * 2;
    }
    default: /* the input as int16 */
        return ((uint64_t)window->in_channels + 3) / 4 * 8;
    }
}
