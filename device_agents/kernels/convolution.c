#include "convolution.h"

#include <string.h>

enum { ALIGNMENT = 64 };

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* What a vector's pixels take once packed, in bytes. */
static size_t vector_bytes(const struct plan *plan, const struct kernel *kernel)
{
    return plan->taps * plan->groups * PLAN_BLOCK * kernel->lanes * kernel->activation_bytes;
}

/* Vectors of a tile at most: as many as the kernel has registers and the first cache room for. */
static size_t most_vectors(const struct convolution *convolution)
{
    const struct kernel *kernel = convolution->kernel;
    const size_t cached = kernel->packed_bytes / vector_bytes(&convolution->plan, kernel);
    return cached < 1 ? 1 : cached < kernel->max_vectors ? cached : kernel->max_vectors;
}

size_t convolution_start_bytes(const struct plan *plan)
{
    return plan->out_channels * sizeof(int32_t);
}

/* Room to align, a pixel of padding, the packed tile, and the rows before they are stored. */
size_t convolution_scratch_bytes(const struct convolution *convolution)
{
    const struct plan *plan = &convolution->plan;
    const struct kernel *kernel = convolution->kernel;
    const size_t vectors = most_vectors(convolution);
    return ALIGNMENT + aligned(plan->in_channels) +
           vectors * (vector_bytes(plan, kernel) + KERNEL_ROWS * kernel->lanes);
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

static size_t output_vectors(const struct convolution *convolution, size_t batch)
{
    const size_t lanes = convolution->kernel->lanes;
    return (output_pixels(&convolution->plan, batch) + lanes - 1) / lanes;
}

size_t convolution_tiles(const struct convolution *convolution, size_t batch)
{
    const size_t most = most_vectors(convolution);
    return (output_vectors(convolution, batch) + most - 1) / most;
}

/* Where an output pixel's window begins: its image, and a row and column that may lie outside. */
struct window {
    const int8_t *image;
    int64_t row, column;
};

/* Pixels of an output that are made at once. */
struct tile {
    size_t first, pixels; /* which are stored */
    size_t vectors, lanes; /* lanes behind the last pixel repeat it */
};

/* Tiles differ by a vector at most. */
static struct tile tile_of(const struct convolution *convolution, size_t batch, size_t index)
{
    const size_t lanes = convolution->kernel->lanes;
    const size_t tiles = convolution_tiles(convolution, batch);
    const size_t vectors = output_vectors(convolution, batch);
    const size_t begin = vectors * index / tiles, end = vectors * (index + 1) / tiles;
    const size_t left = output_pixels(&convolution->plan, batch) - begin * lanes;
    struct tile tile = {begin * lanes, (end - begin) * lanes, end - begin, (end - begin) * lanes};
    tile.pixels = left < tile.lanes ? left : tile.lanes;
    return tile;
}

static void place_windows(const struct plan *plan, const int8_t *input, const struct tile *tile,
                          struct window *windows)
{
    const size_t image_bytes = (size_t)plan->in_height * plan->in_width * plan->in_channels;
    size_t x = tile->first % plan->out_width;
    size_t y = tile->first / plan->out_width % plan->out_height;
    const int8_t *image = input + tile->first / plan->out_width / plan->out_height * image_bytes;
    for (size_t i = 0; i < tile->pixels; i++) {
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
    for (size_t i = tile->pixels; i < tile->lanes; i++) {
        windows[i] = windows[tile->pixels - 1];
    }
}

static void pack_windows(const struct convolution *convolution, const struct tile *tile,
                         const struct window *windows, const int8_t *padding,
                         unsigned char *packed)
{
    const struct plan *plan = &convolution->plan;
    const struct kernel *kernel = convolution->kernel;
    const size_t tap_bytes = tile->vectors * vector_bytes(plan, kernel) / plan->taps;
    const int8_t *pixels[KERNEL_MAX_PIXELS];
    for (size_t tap = 0; tap < plan->taps; tap++, packed += tap_bytes) {
        const int64_t down = (int64_t)(tap / plan->kernel_width * plan->dilation_height);
        const int64_t right = (int64_t)(tap % plan->kernel_width * plan->dilation_width);
        for (size_t i = 0; i < tile->lanes; i++) {
            const int64_t y = windows[i].row + down;
            const int64_t x = windows[i].column + right;
            const bool is_inside = y >= 0 && y < plan->in_height && x >= 0 && x < plan->in_width;
            pixels[i] = is_inside ? windows[i].image + (y * plan->in_width + x) *
                                                           (int64_t)plan->in_channels
                                  : padding;
        }
        kernel->pack(pixels, tile->vectors, plan->in_channels, packed);
    }
}

/* A convolution of 1 x 1 without strides: the pixels of the output are those of the input. */
static bool is_pointwise(const struct plan *plan)
{
    return plan->taps == 1 && plan->stride_height == 1 && plan->stride_width == 1 &&
           plan->pad_top == 0 && plan->pad_left == 0 && plan->in_height == plan->out_height &&
           plan->in_width == plan->out_width;
}

static void pack_pixels(const struct convolution *convolution, const struct tile *tile,
                        const int8_t *input, unsigned char *packed)
{
    const size_t channels = convolution->plan.in_channels;
    const int8_t *pixels[KERNEL_MAX_PIXELS];
    for (size_t i = 0; i < tile->lanes; i++) {
        pixels[i] = input + (tile->first + (i < tile->pixels ? i : tile->pixels - 1)) * channels;
    }
    convolution->kernel->pack(pixels, tile->vectors, channels, packed);
}

static void run_tile(const struct convolution *convolution, const struct tile *tile,
                     const void *packed, int8_t *rows, int8_t *output)
{
    const struct plan *plan = &convolution->plan;
    const struct kernel *kernel = convolution->kernel;
    for (size_t row = 0; row < plan->out_channels; row += KERNEL_ROWS) {
        const size_t more = plan->out_channels - row;
        const size_t count = more < KERNEL_ROWS ? more : KERNEL_ROWS;
        kernel->rows(plan, convolution->start, row, count, tile->vectors, packed, rows);
        kernel->store(rows, tile->vectors, tile->pixels, count, output + row, plan->out_channels);
    }
}

void convolution_run(const struct convolution *convolution, const int8_t *input, size_t batch,
                     size_t first, size_t end, int8_t *output, void *scratch)
{
    const struct plan *plan = &convolution->plan;
    const size_t packed_bytes =
        most_vectors(convolution) * vector_bytes(plan, convolution->kernel);
    const uintptr_t address = (uintptr_t)scratch;
    int8_t *padding = (int8_t *)scratch + (ALIGNMENT - address % ALIGNMENT) % ALIGNMENT;
    unsigned char *packed = (unsigned char *)padding + aligned(plan->in_channels);
    struct window windows[KERNEL_MAX_PIXELS];
    memset(padding, plan->input_zero_point, plan->in_channels);
    for (size_t index = first; index < end; index++) {
        const struct tile tile = tile_of(convolution, batch, index);
        if (is_pointwise(plan)) {
            pack_pixels(convolution, &tile, input, packed);
        } else {
            place_windows(plan, input, &tile, windows);
            pack_windows(convolution, &tile, windows, padding, packed);
        }
        run_tile(convolution, &tile, packed, (int8_t *)packed + packed_bytes,
                 output + tile.first * plan->out_channels);
    }
}
