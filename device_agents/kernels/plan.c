#include "plan.h"

#include <math.h>
#include <string.h>

#include "../portable/crc32.h"
#include "../portable/little_endian.h"

/* Positions in the header, in bytes. */
enum { AT_MAGIC = 0, AT_VERSION = 4, AT_BYTES = 8, AT_CRC = 12, AT_FIELDS = 16 };

static const unsigned char MAGIC[4] = {'E', 'P', 'K', 'C'};

static bool refuse(const char **why, const char *reason)
{
    *why = reason;
    return false;
}

static bool is_little_endian(void)
{
    const uint32_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    return first == 1;
}

static uint32_t field(const unsigned char *bytes, size_t index)
{
    return get_little32(bytes + AT_FIELDS + 4 * index);
}

static void read_fields(struct plan *plan, const unsigned char *bytes)
{
    uint32_t *const counts[] = {
        &plan->kind,          &plan->in_height,       &plan->in_width,       &plan->in_channels,
        &plan->out_height,    &plan->out_width,       &plan->out_channels,   &plan->kernel_height,
        &plan->kernel_width,  &plan->stride_height,   &plan->stride_width,   &plan->dilation_height,
        &plan->dilation_width, &plan->pad_top,        &plan->pad_left,       &plan->blocks,
    };
    int32_t *const values[] = {&plan->input_zero_point, &plan->output_zero_point,
                               &plan->output_min, &plan->output_max};
    const size_t count = sizeof counts / sizeof counts[0];
    for (size_t i = 0; i < count; i++) {
        *counts[i] = field(bytes, i);
    }
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        const uint32_t value = field(bytes, count + i);
        memcpy(values[i], &value, sizeof value);
    }
}

static bool is_extent(uint32_t value)
{
    return value >= 1 && value <= PLAN_MAX_EXTENT;
}

static bool check_sizes(struct plan *plan, const char **why)
{
    const uint32_t sizes[] = {plan->in_height,     plan->in_width,        plan->in_channels,
                              plan->out_height,    plan->out_width,       plan->out_channels,
                              plan->kernel_height, plan->kernel_width,    plan->stride_height,
                              plan->stride_width,  plan->dilation_height, plan->dilation_width};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        if (!is_extent(sizes[i])) {
            return refuse(why, "a size is 0 or too large");
        }
    }
    if (plan->pad_top > PLAN_MAX_EXTENT || plan->pad_left > PLAN_MAX_EXTENT) {
        return refuse(why, "the padding is too large");
    }
    if ((uint64_t)plan->kernel_height * plan->kernel_width > PLAN_MAX_TAPS) {
        return refuse(why, "the kernel is too large");
    }
    plan->taps = plan->kernel_height * plan->kernel_width;
    plan->groups = (plan->in_channels + PLAN_BLOCK - 1) / PLAN_BLOCK;
    if ((uint64_t)plan->taps * plan->groups > PLAN_MAX_POSITIONS) {
        return refuse(why, "a row has too many blocks");
    }
    const bool is_one_pixel =
        plan->in_height == 1 && plan->in_width == 1 && plan->out_height == 1 &&
        plan->out_width == 1 && plan->taps == 1 && plan->pad_top == 0 && plan->pad_left == 0;
    if (plan->kind > PLAN_KEEPS_DIMENSIONS) {
        return refuse(why, "its kind is unknown");
    }
    if (plan->kind != PLAN_CONV_2D && !is_one_pixel) {
        return refuse(why, "a dense layer has a window");
    }
    return true;
}

static bool is_int8(int32_t value)
{
    return value >= INT8_MIN && value <= INT8_MAX;
}

static bool check_quantization(const struct plan *plan, const char **why)
{
    if (!is_int8(plan->input_zero_point) || !is_int8(plan->output_zero_point)) {
        return refuse(why, "a zero point is no int8");
    }
    if (!is_int8(plan->output_min) || !is_int8(plan->output_max) ||
        plan->output_min > plan->output_max) {
        return refuse(why, "the bounds of the output are no range of int8");
    }
    for (size_t i = 0; i < plan->out_channels; i++) {
        float scale;
        memcpy(&scale, plan->scale + 4 * i, sizeof scale);
        /* Below 256, as XNNPACK has it, so that nothing scaled leaves the range of float. */
        if (!(isfinite(scale) && scale > 0.0f && scale < 256.0f)) {
            return refuse(why, "a scale is not between 0 and 256");
        }
    }
    return true;
}

static bool check_blocks(struct plan *plan, const char **why)
{
    uint32_t block = 0;
    for (size_t i = 0; i < plan->out_channels; i++) {
        const uint32_t count = plan_row_blocks(plan, i);
        uint32_t position = 0;
        if (count > plan->blocks - block) {
            return refuse(why, "a row has more blocks than there are");
        }
        for (const uint32_t end = block + count; block < end; block++) {
            position += plan->step[block];
            if (position >= plan->taps * plan->groups) {
                return refuse(why, "a block lies outside the input");
            }
        }
    }
    if (block != plan->blocks) {
        return refuse(why, "blocks belong to no row");
    }
    plan->has_lowest = memchr(plan->weights, 0x80, PLAN_BLOCK * (size_t)plan->blocks) != NULL;
    return true;
}

static bool place_arrays(struct plan *plan, const unsigned char *bytes, size_t size,
                         const char **why)
{
    const uint64_t rows = plan->out_channels;
    if (PLAN_HEADER_BYTES + 10 * rows + 5 * (uint64_t)plan->blocks != size) {
        return refuse(why, "its length does not fit its rows and blocks");
    }
    plan->bias = bytes + PLAN_HEADER_BYTES;
    plan->scale = plan->bias + 4 * rows;
    plan->count = plan->scale + 4 * rows;
    plan->step = plan->count + 2 * rows;
    plan->weights = plan->step + plan->blocks;
    return true;
}

bool plan_read(struct plan *plan, const void *bytes, size_t size, const char **why)
{
    const unsigned char *const from = bytes;
    *plan = (struct plan){0};
    if (!is_little_endian()) {
        return refuse(why, "this processor keeps the highest byte first, which no kernel can");
    }
    if (from == NULL || size < PLAN_HEADER_BYTES || memcmp(from, MAGIC, sizeof MAGIC) != 0) {
        return refuse(why, "it is no plan of a convolution");
    }
    if (get_little32(from + AT_VERSION) != PLAN_VERSION) {
        return refuse(why, "it has another version than these kernels read");
    }
    if (get_little32(from + AT_BYTES) != size) {
        return refuse(why, "it is cut, or followed by more");
    }
    if (crc32_of(0, from + AT_FIELDS, size - AT_FIELDS) != get_little32(from + AT_CRC)) {
        return refuse(why, "it is damaged");
    }
    read_fields(plan, from);
    return check_sizes(plan, why) && place_arrays(plan, from, size, why) &&
           check_quantization(plan, why) && check_blocks(plan, why);
}

bool plan_fits(const struct plan *plan, size_t batch, size_t input_bytes, size_t output_bytes)
{
    const uint64_t input = (uint64_t)plan->in_height * plan->in_width * plan->in_channels;
    const uint64_t output = (uint64_t)plan->out_height * plan->out_width * plan->out_channels;
    return batch > 0 && input_bytes % batch == 0 && input_bytes / batch == input &&
           output_bytes % batch == 0 && output_bytes / batch == output;
}
