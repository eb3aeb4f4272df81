/* Where a convolution's activations and outputs lie while a kernel works on them.
 *
 * The outputs of an image are numbered row by row, `pitch` places to a row; places behind the last
 * column are computed too, and dropped. Activations are packed once, by phase: a phase has every
 * stride_height-th row and stride_width-th column of the padded image, so that each tap of the window
 * is a fixed number of places behind the output's own. Rows of a phase are `pitch` places apart as
 * well: the padding at the end of one row is that at the beginning of the next. */
#ifndef EDGEPRUNE_KERNELS_LAYOUT_H
#define EDGEPRUNE_KERNELS_LAYOUT_H

#include "kernel.h"
#include "plan.h"

struct layout {
    size_t images;      /* taken one by one; where the window is one pixel, a batch is one image */
    size_t image_rows;  /* of outputs */
    size_t pitch;
    size_t span;        /* places from an output to the last that its window reaches */
    size_t vectors;     /* of an image's places */
    size_t steps;       /* of an image: what a kernel does at once */
    size_t tiles;       /* of an image: steps that are packed together */
    size_t phase_rows, phase_columns;
    size_t group_bytes; /* of a packed group, the same in every tile */
};

struct layout layout_of(const struct plan *plan, const struct kernel *kernel, size_t batch);

/* First step of a tile, and first vector of a step; those of `tiles` and `steps` are the ends. */
size_t layout_tile_step(const struct layout *layout, size_t tile);
size_t layout_step_vector(const struct layout *layout, size_t step);

/* Vectors of a step at most. */
size_t layout_step_vectors(const struct layout *layout);

/* Bytes of a packed tile; SIZE_MAX if they are more. */
size_t layout_tile_bytes(const struct layout *layout, const struct plan *plan);

/* Bytes from the place of an output to a block of its window, by the block's index in its row:
 * taps * groups of them. */
void layout_offsets(const struct layout *layout, const struct plan *plan, uint32_t *offsets);

#endif
