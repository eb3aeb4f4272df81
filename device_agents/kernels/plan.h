/* The plan of one convolution: its geometry, quantization and packed block-sparse int8 weights, as
 * they stand in the custom options of an operator `edgeprune.conv.N`. Nothing is copied out of it.
 *
 * All numbers are little endian and of 32 bits unless it says otherwise. The header is "EPKC",
 * PLAN_VERSION, the plan's bytes, the CRC-32 of RFC 1952 of all that follows it, and the fields of
 * struct plan from `kind` to `output_max` in their order. Behind it follow, without gaps,
 *
 *     bias      int32 x out_channels    bias less input_zero_point times the sum of the weights
 *     scale     float32 x out_channels  input scale x weight scale / output scale, in float32
 *     count     uint16 x out_channels   blocks of each output channel
 *     step      uint8 x blocks          from the position of the block before it, or from 0 for a
 *                                       channel's first one, to that of each block
 *     weights   int8 x 4 x blocks
 *
 * A position is tap * groups + group. Where the next block is more than 255 positions away, a block
 * of zeros stands in between.
 * A block is 4 input channels of one tap and one output channel; groups = ceil(in_channels / 4).
 * A tap is a position of the kernel, row by row. Weights of channels that are not there are 0.
 * FULLY_CONNECTED is a convolution of 1 x 1 whose pixels are the rows of its input. */
#ifndef EDGEPRUNE_KERNELS_PLAN_H
#define EDGEPRUNE_KERNELS_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    PLAN_VERSION = 2,
    PLAN_HEADER_BYTES = 96,
    PLAN_BLOCK = 4,
    PLAN_MAX_EXTENT = 1 << 16, /* of every size in the header */
    PLAN_MAX_TAPS = 1 << 10,
    PLAN_MAX_POSITIONS = (1 << 16) - 1 /* taps * groups */
};

/* What the output's shape is made of the input's by. */
enum plan_kind {
    PLAN_CONV_2D = 0,           /* (batch, in_height, in_width, in_channels), likewise out */
    PLAN_FULLY_CONNECTED = 1,   /* (..., in_channels) to (rows, out_channels) */
    PLAN_KEEPS_DIMENSIONS = 2   /* (..., in_channels) to (..., out_channels) */
};

struct plan {
    uint32_t kind;
    uint32_t in_height, in_width, in_channels;
    uint32_t out_height, out_width, out_channels;
    uint32_t kernel_height, kernel_width;
    uint32_t stride_height, stride_width;
    uint32_t dilation_height, dilation_width;
    uint32_t pad_top, pad_left;
    uint32_t blocks;
    int32_t input_zero_point, output_zero_point;
    int32_t output_min, output_max; /* in [-128, 127], of the fused activation */
    uint32_t taps, groups; /* derived */
    bool has_lowest;       /* whether a weight is -128; derived */
    const unsigned char *bias, *scale, *count, *step, *weights;
};

/* Reads and checks every field and array. `why` says what is wrong where false comes back. `bytes`
 * stay the caller's and must outlive the plan; they need no alignment. */
bool plan_read(struct plan *plan, const void *bytes, size_t size, const char **why);

/* Whether `batch` inputs and their outputs have exactly these lengths. */
bool plan_fits(const struct plan *plan, size_t batch, size_t input_bytes, size_t output_bytes);

/* Blocks of an output channel. A processor for which this is wrong reads no plan. */
static inline uint32_t plan_row_blocks(const struct plan *plan, size_t row)
{
    uint16_t count;
    memcpy(&count, plan->count + 2 * row, sizeof count);
    return count;
}

#endif
