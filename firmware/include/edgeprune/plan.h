/* A plan: one network, made ready by the host (edgeprune/firmware) to be run in place, out of flash.
 *
 * It is one block of bytes, little endian, aligned to 4 bytes. Places in it (`..._at`) count from its
 * first byte, places in the arena (`arena_at`, `inputs`, `output`, `scratch`) from the arena's. Nothing
 * in it is trusted: ep_prepare holds every number against the block and the arena. */
#ifndef EDGEPRUNE_PLAN_H
#define EDGEPRUNE_PLAN_H

#include <stdint.h>

enum {
    EP_PLAN_MAGIC = 0x4e4c5045, /* "EPLN" */
    EP_PLAN_VERSION = 2,
    EP_PLAN_ALIGN = 4,
    EP_MODEL_ID_BYTES = 16,
    EP_MAX_RANK = 6,
    EP_MAX_INPUTS = 2, /* of an operation */
    EP_LOOPS = 4       /* loops, one in another, that visit elements which are not in a row */
};

#define EP_NOWHERE UINT32_MAX /* in place of an input, or of scratch, that is not used */

struct ep_plan_header {
    uint32_t magic;
    uint32_t plan_bytes;
    uint32_t crc32; /* of all that follows this field */
    uint16_t version;
    uint16_t op_count;
    uint8_t model_id[EP_MODEL_ID_BYTES]; /* the first bytes of the SHA-256 of the .tflite file */
    uint32_t arena_bytes;
    uint16_t input_count;
    uint16_t output_count;
    uint32_t tensors_at; /* struct ep_plan_tensor: the inputs, then the outputs */
    uint32_t ops_at;     /* struct ep_plan_op, in the order in which they run */
};

enum ep_type { EP_INT8 = 1 };

struct ep_plan_tensor {
    uint32_t arena_at;
    uint32_t bytes;
    uint16_t type; /* enum ep_type */
    uint16_t rank;
    float scale; /* real value = scale * (stored value - zero_point) */
    int32_t zero_point;
    uint32_t shape[EP_MAX_RANK]; /* the first `rank` of them; 0 behind */
};

enum ep_kind {
    EP_CONV_2D = 1,
    EP_DEPTHWISE_CONV_2D = 2,
    EP_FULLY_CONNECTED = 3,
    EP_ADD = 4,
    EP_AVERAGE_POOL_2D = 5,
    EP_SOFTMAX = 6,
    EP_MAX_POOL_2D = 7,
    EP_LOOKUP = 8, /* any function of one int8: activations, QUANTIZE, arithmetic with one constant */
    EP_MEAN = 9,
    EP_SUB = 10,
    EP_MUL = 11,
    EP_COPY = 12, /* PAD, CONCATENATION, TRANSPOSE, slices: elements in another order */
    EP_KIND_END
};

/* How the weights of an operation are stored, and so which kernel runs it. */
enum ep_pattern {
    EP_DENSE = 0,
    EP_BLOCKS_1X4 = 1,   /* blocks of 4 weights along a row, those that are not all zero */
    EP_DENSE_4_ROWS = 2, /* four rows word by word */
    EP_UNSTRUCTURED = 3, /* single weights, those that are not zero */
    EP_BLOCKS_1X16 = 4,  /* as EP_BLOCKS_1X4, of 16 */
    EP_PATTERN_END
};

/* Which instructions the kernel of an operation uses. */
enum ep_isa {
    EP_SCALAR = 0, /* plain C */
    EP_DSP = 1,    /* pairs of int16: Cortex-M4, M7, M33 */
    EP_MVE = 2,    /* Helium, vectors of 16 bytes: Cortex-M55, M85 */
    EP_ISA_END
};

struct ep_plan_op {
    uint8_t kind;    /* enum ep_kind */
    uint8_t pattern; /* enum ep_pattern */
    uint8_t isa;     /* enum ep_isa */
    uint8_t reserved;
    uint32_t inputs[EP_MAX_INPUTS];
    uint32_t output;
    uint32_t scratch;
    uint32_t scratch_bytes;
    uint32_t args_at; /* struct ep_..._args, by kind */
    uint32_t layer;   /* its number in the .tflite file */
};

/* How sums of one output channel become int8 (requantize.h), with a shift that stands in a table of its
 * own, so that a channel takes 9 bytes. */
struct ep_channel {
    int32_t bias;       /* the layer's own, less the input's zero point times the sum of the weights */
    int32_t multiplier; /* 2^30 to 2^31 - 1 */
};

/* Output pixel (y, x) reads input rows y * stride_height - pad_top + ky * dilation_height, columns
 * alike. Outside of the input stands its zero point. */
struct ep_window {
    uint16_t in_height, in_width, in_channels;
    uint16_t out_height, out_width, out_channels;
    uint16_t kernel_height, kernel_width;
    uint16_t stride_height, stride_width;
    uint16_t dilation_height, dilation_width;
    uint16_t pad_top, pad_left;
    int16_t in_zero_point;
    int16_t out_zero_point;
    int16_t out_min, out_max; /* the fused activation, and int8 */
};

/* EP_CONV_2D, EP_FULLY_CONNECTED (a window of one pixel) and EP_DEPTHWISE_CONV_2D (as many output
 * channels as input channels).
 *
 * Weights of EP_DENSE: for each output channel a row of kernel_height * kernel_width * in_channels
 * in this order, then zeros up to row_bytes, a multiple of 8. Depthwise: for each channel a row of
 * kernel_height * kernel_width.
 * EP_DENSE with EP_MVE: rows are padded to a multiple of 16, and their number to a multiple of 4 with rows
 * and table entries of zeros. A row is in the order of columns of the kernel (kernel_width, kernel_height,
 * in_channels). Four rows stand together, 16 bytes of each in turn. Depthwise: for each channel, for each
 * four rows and four columns of the kernel, 16 bytes: its columns, of four rows each, padded with zeros.
 * EP_DENSE_4_ROWS, EP_FULLY_CONNECTED only: the first four weights of four rows, their next four and
 * so on; then the next four rows. Rows of zeros fill up the last four.
 * EP_BLOCKS_1X4, EP_BLOCKS_1X16, EP_UNSTRUCTURED: counts_at holds one uint16 an output channel, the number
 * of blocks (of 4 weights, of 16 or of 1) that its row, in the order of EP_DENSE, keeps. Their weights stand back to back, row behind row, and index
 * holds one byte for each: how many blocks of the row are left out before it. Where that does
 * not fit, a block of zeros is kept. */
struct ep_conv_args {
    struct ep_window window;
    uint32_t row_bytes;
    uint32_t channels_at; /* struct ep_channel, out_channels of them */
    uint32_t shifts_at;   /* int8, as many: to the right, 0 to 31; below 0: to the left, before the
                             multiplication */
    uint32_t weights_at;
    uint32_t weights_bytes;
    uint32_t counts_at; /* 0 where dense, as the two below */
    uint32_t index_at;
    uint32_t index_bytes;
};

/* How EP_ADD, EP_SUB and EP_MUL visit their inputs: EP_LOOPS loops, the last one innermost, whose steps
 * in an input are 0 where it is repeated. Outputs are in a row. An input that is constant has its bytes
 * in the plan, at constant_at, and EP_NOWHERE in the operation. */
struct ep_broadcast {
    uint32_t sizes[EP_LOOPS];
    uint32_t steps[EP_MAX_INPUTS][EP_LOOPS];
    uint32_t constant_at[EP_MAX_INPUTS];
};

/* EP_ADD and EP_SUB. */
struct ep_add_args {
    struct ep_broadcast broadcast;
    int32_t zero_points[2];
    int32_t multipliers[2];
    int32_t shifts[2]; /* to the right */
    int32_t out_multiplier, out_shift, out_zero_point;
    int32_t out_min, out_max;
};

struct ep_mul_args {
    struct ep_broadcast broadcast;
    int32_t zero_points[2];
    int32_t multiplier, shift; /* to the right; below 0: to the left, before the multiplication */
    int32_t out_zero_point;
    int32_t out_min, out_max;
};

/* output = table[input], the table's index as uint8. */
struct ep_lookup_args {
    uint32_t elements;
    uint32_t table_at;
};

/* Outputs (outer, inner) from inputs (outer, reduced, inner). */
struct ep_mean_args {
    uint32_t outer, reduced, inner;
    int32_t multiplier, shift; /* with the division by `reduced`; as in struct ep_channel */
    int32_t in_zero_point, out_zero_point;
};

/* First `fill_bytes` of the output are set to `fill`, then output[out_offset + ...] = input[in_offset +
 * ...] in EP_LOOPS loops, the last one innermost. */
struct ep_copy_args {
    uint32_t sizes[EP_LOOPS];
    uint32_t in_steps[EP_LOOPS];
    uint32_t out_steps[EP_LOOPS];
    uint32_t in_offset, out_offset;
    uint32_t fill_bytes;
    int32_t fill;
};

/* EP_AVERAGE_POOL_2D and EP_MAX_POOL_2D. */
struct ep_pool_args {
    struct ep_window window; /* as many output channels as input channels, no dilation */
};

struct ep_softmax_args {
    uint32_t rows, columns;
    int32_t multiplier, left_shift, diff_min;
};

#endif
