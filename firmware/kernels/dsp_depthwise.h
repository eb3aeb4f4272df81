/* How a depthwise convolution on pairs lays out the map of a channel: ep_prepare asks for its size. */
#ifndef EDGEPRUNE_DSP_DEPTHWISE_H
#define EDGEPRUNE_DSP_DEPTHWISE_H

#include <stdint.h>

#include "edgeprune/plan.h"

/* A kernel of 3 x 3, stride 1 or 2: four outputs of a line at a time. */
static inline int dsp_is_3x3(const struct ep_window *window)
{
    return window->kernel_height == 3 && window->kernel_width == 3 &&
           window->stride_height == window->stride_width && window->stride_width <= 2;
}

static inline uint32_t dsp_groups(uint32_t size) { return (size + 3) / 4; }

/* Whether lines are columns: where that takes fewer groups of four outputs. */
static inline int dsp_lines_are_columns(const struct ep_window *window)
{
    const uint32_t height = window->out_height, width = window->out_width;
    return dsp_is_3x3(window) && width * dsp_groups(height) < height * dsp_groups(width);
}

static inline uint64_t dsp_map_lines(const struct ep_window *window)
{
    const int is_turned = dsp_lines_are_columns(window);
    const uint32_t count = is_turned ? window->out_width : window->out_height;
    return (uint64_t)(count - 1) * window->stride_height + window->kernel_height;
}

/* Elements of a line: even, and as many as the outputs that fill up the last four read, or a pair. */
static inline uint64_t dsp_map_size(const struct ep_window *window)
{
    const uint32_t size =
        dsp_lines_are_columns(window) ? window->out_height : window->out_width;
    const uint64_t outputs = dsp_is_3x3(window) ? dsp_groups(size) * 4 : size + 1;
    return ((outputs - 1) * window->stride_width + window->kernel_width + 1) / 2 * 2;
}

static inline uint64_t dsp_depthwise_scratch_bytes(const struct ep_window *window)
{
    const uint64_t pairs =
        (uint64_t)window->kernel_height * ((window->kernel_width + 1u) / 2u) * 4;
    return dsp_map_lines(window) * dsp_map_size(window) * 2 + (dsp_is_3x3(window) ? 0 : pairs);
}

#endif
