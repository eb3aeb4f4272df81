#include "convolution.h"

#include <string.h>

enum { ALIGNMENT = 64 };

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* One group of channels of one tap, in bytes. */
static size_t group_bytes(const struct kernel *kernel)
{
    return kernel->tile * PLAN_BLOCK * kernel->activation_bytes;
}

size_t convolution_start_bytes(const struct plan *plan)
{
    return plan->out_channels * sizeof(int32_t);
}

/* Room to align, a pixel of padding, the packed tile, and the rows before they are stored. */
size_t convolution_scratch_bytes(const struct convolution *convolution)
{
    const struct plan *plan = &convolution->plan;
    return ALIGNMENT + aligned(plan->in_channels) +
           plan->taps * plan->groups * group_bytes(convolution->kernel) +
           KERNEL_ROWS * convolution->kernel->tile;
}

void convolution_begin(struct convolution *convolution, const struct plan *plan,
                       const struct kernel *kernel, int32_t *start)
{
    *convolution = (struct convolution){*plan, kernel, start};
    for (size_t row = 0; row < plan->out_channels; row++) {
        uint32_t sum = 0;
        for (size_t i = PLAN_BLOCK * (size_t)plan_row_begin(plan, row);
             i < PLAN_BLOCK * (size_t)plan_row_end(plan, row); i++) {
            sum += (uint32_t)((plan->weights[i] ^ 0x80) - 0x80);
        }
        uint32_t bias;
        memcpy(&bias, plan->bias + 4 * row, sizeof bias);
        bias -= sum * (uint32_t)kernel->activation_offset;
        memcpy(&start[row], &bias, sizeof bias);
    }
}

static size_t output_pixels(const struct plan *plan, size_t batch)
{
    return batch * plan->out_height * plan->out_width;
}

size_t convolution_tiles(const struct convolution *convolution, size_t batch)
{
    const size_t tile = convolution->kernel->tile;
    return (output_pixels(&convolution->plan, batch) + tile - 1) / tile;
}

/* Where an output pixel's window begins: its image, and a row and column that may lie outside. */
struct window {
    const int8_t *image;
    int64_t row, column;
};

static void place_windows(const struct plan *plan, const int8_t *input, size_t pixel,
                          size_t pixels, size_t tile, struct window *windows)
{
    const size_t image_bytes = (size_t)plan->in_height * plan->in_width * plan->in_channels;
    size_t x = pixel % plan->out_width;
    size_t y = pixel / plan->out_width % plan->out_height;
    const int8_t *image = input + pixel / plan->out_width / plan->out_height * image_bytes;
    for (size_t i = 0; i < pixels; i++) {
        windows[i] = (struct window){image, (int64_t)(y * plan->stride_height) - plan->pad_top,
                                     (int64_t)(x * plan->stride_width) - plan->pad_left};
        if (++x == plan->out_width) {
            x = 0;
            if (++y == plan->out_height) {
                y = 0;
                image += image_bytes;
            }
        }
    }
    for (size_t i = pixels; i < tile; i++) { /* the last one again: results that nobody stores */
        windows[i] = windows[pixels - 1];
    }
}

static void pack_windows(const struct convolution *convolution, const struct window *windows,
                         const int8_t *padding, unsigned char *packed)
{
    const struct plan *plan = &convolution->plan;
    const struct kernel *kernel = convolution->kernel;
    const int8_t *pixels[KERNEL_MAX_TILE];
    for (size_t tap = 0; tap < plan->taps; tap++) {
        const int64_t down = (int64_t)(tap / plan->kernel_width * plan->dilation_height);
        const int64_t right = (int64_t)(tap % plan->kernel_width * plan->dilation_width);
        for (size_t i = 0; i < kernel->tile; i++) {
            const int64_t y = windows[i].row + down;
            const int64_t x = windows[i].column + right;
            const bool is_inside = y >= 0 && y < plan->in_height && x >= 0 && x < plan->in_width;
            pixels[i] = is_inside ? windows[i].image + (y * plan->in_width + x) *
                                                           (int64_t)plan->in_channels
                                  : padding;
        }
        kernel->pack(pixels, plan->in_channels, packed);
        packed += plan->groups * group_bytes(kernel);
    }
}

/* A convolution of 1 x 1 without strides: the pixels of the output are those of the input. */
static bool is_pointwise(const struct plan *plan)
{
    return plan->taps == 1 && plan->stride_height == 1 && plan->stride_width == 1 &&
           plan->pad_top == 0 && plan->pad_left == 0 && plan->in_height == plan->out_height &&
           plan->in_width == plan->out_width;
}

static void pack_pixels(const struct convolution *convolution, const int8_t *input, size_t pixel,
                        size_t count, unsigned char *packed)
{
    const size_t channels = convolution->plan.in_channels;
    const int8_t *pixels[KERNEL_MAX_TILE];
    for (size_t i = 0; i < convolution->kernel->tile; i++) {
        pixels[i] = input + (pixel + (i < count ? i : count - 1)) * channels;
    }
    convolution->kernel->pack(pixels, channels, packed);
}

void convolution_run(const struct convolution *convolution, const int8_t *input, size_t batch,
                     size_t first, size_t end, int8_t *output, void *scratch)
{
    const struct plan *plan = &convolution->plan;
    const struct kernel *kernel = convolution->kernel;
    struct window windows[KERNEL_MAX_TILE];
    const uintptr_t address = (uintptr_t)scratch;
    int8_t *padding = (int8_t *)scratch + (ALIGNMENT - address % ALIGNMENT) % ALIGNMENT;
    unsigned char *packed = (unsigned char *)padding + aligned(plan->in_channels);
    int8_t *rows = (int8_t *)packed + plan->taps * plan->groups * group_bytes(kernel);
    memset(padding, plan->input_zero_point, plan->in_channels);
    for (size_t tile = first; tile < end; tile++) {
        const size_t pixel = tile * kernel->tile;
        const size_t left = output_pixels(plan, batch) - pixel;
        const size_t pixels = left < kernel->tile ? left : kernel->tile;
        if (is_pointwise(plan)) {
            pack_pixels(convolution, input, pixel, pixels, packed);
        } else {
            place_windows(plan, input, pixel, pixels, kernel->tile, windows);
            pack_windows(convolution, windows, padding, packed);
        }
        for (size_t row = 0; row < plan->out_channels; row += KERNEL_ROWS) {
            const size_t more = plan->out_channels - row;
            const size_t count = more < KERNEL_ROWS ? more : KERNEL_ROWS;
            kernel->rows(plan, convolution->start, row, count, packed, rows);
            kernel->store(rows, pixels, count, output + pixel * plan->out_channels + row,
                          plan->out_channels);
        }
    }
}
