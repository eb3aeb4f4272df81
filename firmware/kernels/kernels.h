/* Every kernel: one a file, ep_<types>_<op>_<pattern>__<isa>.c. Those of `scalar` are plain C and what
 * all others are tested against; ep_prepare has checked everything that they take. */
#ifndef EDGEPRUNE_KERNELS_H
#define EDGEPRUNE_KERNELS_H

#include <stdint.h>

#include "edgeprune/plan.h"

/* Whether this build's core has SMLAD and its like; without, the files of `dsp` kernels are empty. */
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
#define EP_HAS_DSP 1
#else
#define EP_HAS_DSP 0
#endif

/* An operation of EP_CONV_2D, EP_DEPTHWISE_CONV_2D or EP_FULLY_CONNECTED, its places made pointers. */
struct ep_conv {
    const struct ep_conv_args *args;
    const struct ep_channel *channels;
    const int8_t *weights;
    const uint32_t *row_ends; /* NULL if dense */
    const uint8_t *index;     /* NULL if dense */
    void *scratch;            /* aligned to 4 bytes; NULL if the kernel needs none */
};

typedef void ep_conv_kernel(const struct ep_conv *conv, const int8_t *input, int8_t *output);

ep_conv_kernel ep_s8_conv_2d_dense__scalar;
ep_conv_kernel ep_s8_conv_2d_blocks_1x4__scalar;
ep_conv_kernel ep_s8_depthwise_conv_2d_dense__scalar;
ep_conv_kernel ep_s8_fully_connected_dense__scalar;
ep_conv_kernel ep_s8_fully_connected_blocks_1x4__scalar;

/* Cortex-M4, M7 and M33: SMLAD on pairs. */
ep_conv_kernel ep_s8_conv_2d_dense__dsp;
ep_conv_kernel ep_s8_conv_2d_blocks_1x4__dsp;
ep_conv_kernel ep_s8_depthwise_conv_2d_dense__dsp;
ep_conv_kernel ep_s8_fully_connected_dense__dsp;
ep_conv_kernel ep_s8_fully_connected_blocks_1x4__dsp;

void ep_s8_add__scalar(const struct ep_add_args *args, const int8_t *first, const int8_t *second,
                       int8_t *output);
void ep_s8_average_pool_2d__scalar(const struct ep_pool_args *args, const int8_t *input,
                                   int8_t *output);
void ep_s8_softmax__scalar(const struct ep_softmax_args *args, const int8_t *input, int8_t *output);

#endif
