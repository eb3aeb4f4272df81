#include "convolution.h"

#include <string.h>

enum { ALIGNMENT = 64 };

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

size_t convolution_table_bytes(const struct plan *plan)
{
    return (2 * (size_t)plan->out_channels + plan->taps * plan->groups) * sizeof(uint32_t);
}

/* What a thread works in: a pixel of padding, the packed tile, the rows before they are stored, and
 * a pixel for outputs that are dropped. */
struct scratch {
    int8_t *padding;
    unsigned char *packed;
    int8_t *rows;
    int8_t *dropped;
};

static size_t row_bytes(const struct convolution *convolution)
{
    return layout_step_vectors(&convolution->layout) * convolution->kernel->lanes;
}

static struct scratch scratch_at(const struct convolution *convolution, void *memory)
{
    const struct plan *plan = &convolution->plan;
    int8_t *padding = memory;
    padding += (ALIGNMENT - (uintptr_t)memory % ALIGNMENT) % ALIGNMENT;
    int8_t *packed = padding + aligned(plan->in_channels);
    int8_t *rows = packed + layout_tile_bytes(&convolution->layout, plan);
    return (struct scratch){padding, (unsigned char *)packed, rows,
                            rows + KERNEL_ROWS * row_bytes(convolution)};
}

size_t convolution_scratch_bytes(const struct convolution *convolution)
{
    const struct plan *plan = &convolution->plan;
    return ALIGNMENT + aligned(plan->in_channels) +
           layout_tile_bytes(&convolution->layout, plan) + KERNEL_ROWS * row_bytes(convolution) +
           plan->out_channels;
}

static void begin_rows(struct convolution *convolution)
{
    const struct plan *plan = &convolution->plan;
    size_t block = 0;
    for (size_t row = 0; row < plan->out_channels; row++) {
        const size_t end = block + plan_row_blocks(plan, row);
        uint32_t sum = 0, bias;
        for (size_t i = PLAN_BLOCK * block; i < PLAN_BLOCK * end; i++) {
            sum += (uint32_t)((plan->weights[i] ^ 0x80) - 0x80);
        }
        memcpy(&bias, plan->bias + 4 * row, sizeof bias);
        bias -= sum * (uint32_t)convolution->kernel->activation_offset;
        memcpy(&convolution->start[row], &bias, sizeof bias);
        convolution->row_end[row] = (uint32_t)end;
        block = end;
    }
}

bool convolution_begin(struct convolution *convolution, const struct plan *plan,
                       const struct kernel *kernel, size_t batch, void *tables)
{
    uint32_t *const row_end = tables;
    uint32_t *const offsets = row_end + plan->out_channels;
    *convolution = (struct convolution){
        .plan = *plan,
        .kernel = kernel,
        .layout = layout_of(plan, kernel, batch),
        .row_end = row_end,
        .offsets = offsets,
        .start = (int32_t *)(offsets + plan->taps * plan->groups),
    };
    if (layout_tile_bytes(&convolution->layout, plan) > INT32_MAX) {
        return false;
    }
    begin_rows(convolution);
    layout_offsets(&convolution->layout, plan, offsets);
    return true;
}

static size_t chunks(const struct convolution *convolution)
{
    return (convolution->plan.out_channels + KERNEL_ROWS - 1) / KERNEL_ROWS;
}

/* A unit is a chunk of output channels of a tile. */
size_t convolution_units(const struct convolution *convolution)
{
    return convolution->layout.images * convolution->layout.tiles * chunks(convolution);
}

static size_t row_of_input(const struct plan *plan)
{
    return (size_t)plan->in_width * plan->in_channels;
}

/* The input's pixels that `count` places of a phase hold, from a place on. */
static void find_pixels(const struct convolution *convolution, const int8_t *images, size_t phase,
                        size_t place, size_t count, const int8_t *padding, const int8_t **pixels)
{
    const struct plan *plan = &convolution->plan;
    const struct layout *layout = &convolution->layout;
    const int64_t down = (int64_t)(phase / layout->phase_columns) - plan->pad_top;
    const int64_t right = (int64_t)(phase % layout->phase_columns) - plan->pad_left;
    const size_t batch = layout->image_rows / plan->out_height;
    size_t row = place / layout->pitch, column = place % layout->pitch;
    for (size_t i = 0; i < count; row++, column = 0) {
        /* Rows behind the last belong to the next image, if it is one whose windows are pixels. */
        const size_t image = batch > 1 ? row / plan->out_height : 0;
        const int64_t y = (int64_t)((row - image * plan->out_height) * plan->stride_height) + down;
        const bool is_row = image < batch && y >= 0 && y < plan->in_height;
        const int8_t *from =
            images + (image * plan->in_height + (is_row ? (size_t)y : 0)) * row_of_input(plan);
        for (; i < count && column < layout->pitch; column++, i++) {
            const int64_t x = (int64_t)(column * plan->stride_width) + right;
            const bool is_inside = is_row && x >= 0 && x < plan->in_width;
            pixels[i] = is_inside ? from + (size_t)x * plan->in_channels : padding;
        }
    }
}

/* A convolution of 1 x 1 without strides: the pixels of the output are those of the input. */
static bool is_pointwise(const struct plan *plan)
{
    return plan->taps == 1 && plan->stride_height == 1 && plan->stride_width == 1 &&
           plan->pad_top == 0 && plan->pad_left == 0 && plan->in_height == plan->out_height &&
           plan->in_width == plan->out_width;
}

static void find_places(const struct convolution *convolution, const int8_t *images, size_t phase,
                        size_t place, size_t count, const int8_t *padding, const int8_t **pixels)
{
    const size_t all = convolution->layout.image_rows * convolution->plan.out_width;
    if (!is_pointwise(&convolution->plan)) {
        find_pixels(convolution, images, phase, place, count, padding, pixels);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        pixels[i] =
            place + i < all ? images + (place + i) * convolution->plan.in_channels : padding;
    }
}

/* Places `first` to `end - 1` of an image's vectors, and the span behind them, of each phase. */
static void pack_tile(const struct convolution *convolution, const int8_t *images, size_t first,
                      size_t end, const struct scratch *scratch)
{
    const struct plan *plan = &convolution->plan;
    const struct layout *layout = &convolution->layout;
    const struct kernel *kernel = convolution->kernel;
    const size_t together = KERNEL_MAX_PIXELS / kernel->lanes;
    const size_t vectors = end - first + (layout->span + kernel->lanes - 1) / kernel->lanes;
    const size_t vector_bytes = kernel->lanes * KERNEL_PLACE_BYTES;
    const int8_t *pixels[KERNEL_MAX_PIXELS];
    for (size_t phase = 0; phase < layout->phase_rows * layout->phase_columns; phase++) {
        unsigned char *packed = scratch->packed + phase * plan->groups * layout->group_bytes;
        for (size_t i = 0; i < vectors; i += together, packed += together * vector_bytes) {
            const size_t count = vectors - i < together ? vectors - i : together;
            find_places(convolution, images, phase, (first + i) * kernel->lanes,
                        count * kernel->lanes, scratch->padding, pixels);
            kernel->pack(pixels, count, plan->in_channels, layout->group_bytes, packed);
        }
    }
}

/* Where the outputs of `count` places go. */
static void find_outputs(const struct convolution *convolution, size_t place, size_t count,
                         int8_t *images, int8_t *dropped, int8_t **pixels)
{
    const struct plan *plan = &convolution->plan;
    const struct layout *layout = &convolution->layout;
    size_t row = place / layout->pitch, column = place % layout->pitch;
    for (size_t i = 0; i < count; row++, column = 0) {
        int8_t *to = images + (row * plan->out_width + column) * plan->out_channels;
        for (; i < count && column < layout->pitch; column++, i++) {
            const bool is_output = row < layout->image_rows && column < plan->out_width;
            pixels[i] = is_output ? to : dropped;
            to += is_output ? plan->out_channels : 0;
        }
    }
}

/* Chunks `first` to `end - 1` of a step's output channels. */
static void run_step(const struct convolution *convolution, size_t vectors, const void *packed,
                     size_t first, size_t end, int8_t *rows, int8_t *const *pixels)
{
    const size_t channels = convolution->plan.out_channels;
    for (size_t row = first * KERNEL_ROWS; row < channels && row < end * KERNEL_ROWS;
         row += KERNEL_ROWS) {
        const size_t count = channels - row < KERNEL_ROWS ? channels - row : KERNEL_ROWS;
        convolution->kernel->rows(convolution, row, count, vectors, packed, rows);
        convolution->kernel->store(rows, vectors, row, count, pixels);
    }
}

static void run_tile(const struct convolution *convolution, size_t tile, size_t first, size_t end,
                     const int8_t *input, int8_t *output, const struct scratch *scratch)
{
    const struct layout *layout = &convolution->layout;
    const size_t lanes = convolution->kernel->lanes;
    const size_t step = layout_tile_step(layout, tile), behind = layout_tile_step(layout, tile + 1);
    const size_t begin = layout_step_vector(layout, step);
    int8_t *pixels[KERNEL_MAX_PIXELS];
    pack_tile(convolution, input, begin, layout_step_vector(layout, behind), scratch);
    for (size_t i = step; i < behind; i++) {
        const size_t vector = layout_step_vector(layout, i);
        const size_t vectors = layout_step_vector(layout, i + 1) - vector;
        find_outputs(convolution, vector * lanes, vectors * lanes, output, scratch->dropped,
                     pixels);
        run_step(convolution, vectors,
                 scratch->packed + (vector - begin) * lanes * KERNEL_PLACE_BYTES, first, end,
                 scratch->rows, pixels);
    }
}

void convolution_run(const struct convolution *convolution, const int8_t *input, size_t first,
                     size_t end, int8_t *output, void *memory)
{
    const struct plan *plan = &convolution->plan;
    const struct layout *layout = &convolution->layout;
    const struct scratch scratch = scratch_at(convolution, memory);
    const size_t in_image = plan->in_height * row_of_input(plan);
    const size_t out_image = (size_t)plan->out_height * plan->out_width * plan->out_channels;
    memset(scratch.padding, plan->input_zero_point, plan->in_channels);
    for (size_t unit = first, next; unit < end; unit = next) {
        const size_t tile = unit / chunks(convolution), chunk = unit % chunks(convolution);
        const size_t image = tile / layout->tiles, left = chunks(convolution) - chunk;
        next = end - unit < left ? end : unit + left;
        run_tile(convolution, tile % layout->tiles, chunk, chunk + (next - unit),
                 input + image * in_image, output + image * out_image, &scratch);
    }
}
