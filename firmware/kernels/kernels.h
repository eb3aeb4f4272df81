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

/* Whether it has Helium with integers, likewise for `mve`. */
#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE
#define EP_HAS_MVE 1
#else
#define EP_HAS_MVE 0
#endif

/* An operation of EP_CONV_2D, EP_DEPTHWISE_CONV_2D or EP_FULLY_CONNECTED, its places made pointers. */
struct ep_conv {
    const struct ep_conv_args *args;
    const struct ep_channel *channels;
    const int8_t *shifts;
    const int8_t *weights;
    const uint16_t *counts; /* NULL if dense, as the next */
    const uint8_t *index;
    void *scratch; /* aligned to 4 bytes; NULL if the kernel needs none */
};

/* What stands for the output's zero point and the half that is rounded up, for all channels alike:
 * (value + 2^(shift - 1)) / 2^shift + zero_point is (value / 2^(shift - 1) + addend) / 2, both rounded
 * down; `shift` is at least 1. */
static inline int32_t ep_addend(int32_t out_zero_point) { return 2 * out_zero_point + 1; }

typedef void ep_conv_kernel(const struct ep_conv *conv, const int8_t *input, int8_t *output);

/* Whether each output pixel reads the input pixel in its place, and no other. */
static inline int ep_is_pointwise(const struct ep_window *window)
{
    return window->kernel_height == 1 && window->kernel_width == 1 && window->stride_height == 1 &&
           window->stride_width == 1 && window->pad_top == 0 && window->pad_left == 0 &&
           window->in_height == window->out_height && window->in_width == window->out_width;
}

ep_conv_kernel ep_s8_conv_2d_dense__scalar;
ep_conv_kernel ep_s8_conv_2d_blocks_1x4__scalar;
ep_conv_kernel ep_s8_conv_2d_blocks_1x16__scalar;
ep_conv_kernel ep_s8_depthwise_conv_2d_dense__scalar;
ep_conv_kernel ep_s8_fully_connected_dense__scalar;
ep_conv_kernel ep_s8_conv_2d_unstructured__scalar;
ep_conv_kernel ep_s8_fully_connected_dense_4_rows__scalar;
ep_conv_kernel ep_s8_fully_connected_blocks_1x4__scalar;
ep_conv_kernel ep_s8_fully_connected_blocks_1x16__scalar;
ep_conv_kernel ep_s8_fully_connected_unstructured__scalar;

/* Cortex-M4, M7 and M33: SMLAD on pairs. */
ep_conv_kernel ep_s8_conv_2d_dense__dsp;
ep_conv_kernel ep_s8_conv_2d_blocks_1x4__dsp;
ep_conv_kernel ep_s8_depthwise_conv_2d_dense__dsp;
ep_conv_kernel ep_s8_conv_2d_unstructured__dsp;
ep_conv_kernel ep_s8_fully_connected_dense_4_rows__dsp;
ep_conv_kernel ep_s8_fully_connected_blocks_1x4__dsp;
ep_conv_kernel ep_s8_fully_connected_unstructured__dsp;

/* Cortex-M55 and M85: Helium, vectors of 16 bytes. */
ep_conv_kernel ep_s8_conv_2d_dense__mve;
ep_conv_kernel ep_s8_conv_2d_blocks_1x16__mve;
ep_conv_kernel ep_s8_depthwise_conv_2d_dense__mve;
ep_conv_kernel ep_s8_fully_connected_dense__mve;
ep_conv_kernel ep_s8_fully_connected_blocks_1x16__mve;

typedef void ep_arithmetic_kernel(const void *args, const int8_t *first, const int8_t *second,
                                  int8_t *output);

ep_arithmetic_kernel ep_s8_add__scalar, ep_s8_sub__scalar, ep_s8_mul__scalar;
ep_arithmetic_kernel ep_s8_add__dsp, ep_s8_add__mve;

typedef void ep_kernel(const void *args, const int8_t *input, int8_t *output);

ep_kernel ep_s8_average_pool_2d__scalar, ep_s8_max_pool_2d__scalar;
ep_kernel ep_s8_average_pool_2d__mve;
ep_kernel ep_s8_softmax__scalar;
ep_kernel ep_s8_mean__scalar;
ep_kernel ep_s8_copy__scalar;

typedef void ep_lookup_kernel(const int8_t table[256], uint32_t elements, const int8_t *input,
                              int8_t *output);

ep_lookup_kernel ep_s8_lookup__scalar;

#endif
