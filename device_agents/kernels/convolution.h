/* A convolution made ready to run, and running it, whatever the kernel. */
#ifndef EDGEPRUNE_KERNELS_CONVOLUTION_H
#define EDGEPRUNE_KERNELS_CONVOLUTION_H

#include "layout.h"

struct convolution {
    struct plan plan;
    const struct kernel *kernel;
    struct layout layout;
    int32_t *start;    /* the sum that each output channel begins with */
    uint32_t *row_end; /* behind the last block of each output channel */
    uint32_t *offsets; /* of layout.h */
};

/* Bytes that convolution_begin needs, and those that a thread needs to work in. */
size_t convolution_table_bytes(const struct plan *plan);
size_t convolution_scratch_bytes(const struct convolution *convolution);

/* Makes it ready for `batch` inputs; false if they are too large. `tables` has
 * convolution_table_bytes, is aligned for int32_t, and belongs to the caller, as the plan's bytes
 * do. */
bool convolution_begin(struct convolution *convolution, const struct plan *plan,
                       const struct kernel *kernel, size_t batch, void *tables);

/* Units of work, which can be done in any order; a thread does best with neighbouring ones. */
size_t convolution_units(const struct convolution *convolution);

/* Does units `first` to `end - 1`. input has (batch, in_height, in_width, in_channels) activations,
 * output (batch, out_height, out_width, out_channels). */
void convolution_run(const struct convolution *convolution, const int8_t *input, size_t first,
                     size_t end, int8_t *output, void *scratch);

#endif
