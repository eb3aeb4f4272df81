#include "layout.h"

static size_t ratio_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Columns of padding that the end of a row and the beginning of the next one can share. */
static size_t shared_padding(const struct plan *plan, size_t columns)
{
    const size_t inside = plan->pad_left + plan->in_width;
    const size_t right = columns > inside ? columns - inside : 0;
    return plan->stride_width == 1 ? smaller(plan->pad_left, right) : 0;
}

static void place_rows(struct layout *layout, const struct plan *plan, size_t batch)
{
    const size_t down = (plan->kernel_height - 1) * (size_t)plan->dilation_height;
    const size_t right = (plan->kernel_width - 1) * (size_t)plan->dilation_width;
    const size_t columns = plan->out_width + right / plan->stride_width;
    const bool is_pixel = plan->taps == 1;
    layout->images = is_pixel ? 1 : batch;
    layout->image_rows = is_pixel ? batch * plan->out_height : plan->out_height;
    layout->phase_rows = smaller(plan->stride_height, down + 1);
    layout->phase_columns = smaller(plan->stride_width, right + 1);
    layout->pitch = columns - shared_padding(plan, columns);
    layout->span = down / plan->stride_height * layout->pitch + right / plan->stride_width;
}

/* Bytes of a group whose tile has `vectors` of outputs. */
static size_t group_bytes(const struct layout *layout, const struct kernel *kernel, size_t vectors)
{
    const size_t places = (vectors + ratio_up(layout->span, kernel->lanes)) * kernel->lanes;
    return places * KERNEL_PLACE_BYTES * kernel->activation_bytes;
}

static size_t groups_of(const struct layout *layout, const struct plan *plan)
{
    return layout->phase_rows * layout->phase_columns * plan->groups;
}

/* As many vectors as registers and the first cache have room for; all steps alike. Steps are packed
 * together as long as there is room, or else until most of what is packed belongs to one tile only. */
static void divide(struct layout *layout, const struct plan *plan, const struct kernel *kernel)
{
    const size_t room = kernel->packed_bytes / groups_of(layout, plan);
    const size_t places = (layout->image_rows - 1) * layout->pitch + plan->out_width;
    layout->vectors = ratio_up(places, kernel->lanes);
    size_t most = kernel->max_vectors;
    while (most > kernel->min_vectors && group_bytes(layout, kernel, most) > room) {
        most--;
    }
    layout->steps = ratio_up(layout->vectors, most);
    const size_t vectors = layout_step_vectors(layout);
    size_t together = 1;
    while (layout->span > 0 && together < layout->steps &&
           (group_bytes(layout, kernel, (together + 1) * vectors) <= room ||
            together * vectors * kernel->lanes < layout->span)) {
        together++;
    }
    layout->tiles = ratio_up(layout->steps, together);
    const size_t steps = ratio_up(layout->steps, layout->tiles);
    layout->group_bytes = group_bytes(layout, kernel, steps * vectors);
}

struct layout layout_of(const struct plan *plan, const struct kernel *kernel, size_t batch)
{
    struct layout layout = {0};
    place_rows(&layout, plan, batch);
    divide(&layout, plan, kernel);
    return layout;
}

size_t layout_tile_step(const struct layout *layout, size_t tile)
{
    return layout->steps * tile / layout->tiles;
}

size_t layout_step_vector(const struct layout *layout, size_t step)
{
    return layout->vectors * step / layout->steps;
}

size_t layout_step_vectors(const struct layout *layout)
{
    return ratio_up(layout->vectors, layout->steps);
}

size_t layout_tile_bytes(const struct layout *layout, const struct plan *plan)
{
    const size_t groups = groups_of(layout, plan);
    return layout->group_bytes <= SIZE_MAX / groups ? groups * layout->group_bytes : SIZE_MAX;
}

void layout_offsets(const struct layout *layout, const struct plan *plan, uint32_t *offsets)
{
    for (size_t tap = 0; tap < plan->taps; tap++) {
        const size_t down = tap / plan->kernel_width * plan->dilation_height;
        const size_t right = tap % plan->kernel_width * plan->dilation_width;
        const size_t phase = down % plan->stride_height * layout->phase_columns +
                             right % plan->stride_width;
        const size_t places =
            down / plan->stride_height * layout->pitch + right / plan->stride_width;
        for (size_t group = 0; group < plan->groups; group++) {
            *offsets++ = (uint32_t)((phase * plan->groups + group) * layout->group_bytes +
                                    places * KERNEL_PLACE_BYTES);
        }
    }
}
