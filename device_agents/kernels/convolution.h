/* A convolution made ready to run, and running it, whatever the kernel. */
#ifndef EDGEPRUNE_KERNELS_CONVOLUTION_H
#define EDGEPRUNE_KERNELS_CONVOLUTION_H

#include "kernel.h"

struct convolution {
    struct plan plan;
    const struct kernel *kernel;
    int32_t *start; /* the sum that each output channel begins with */
};

/* Bytes that convolution_begin needs for `start`, and those that a run needs to work in. */
size_t convolution_start_bytes(const struct plan *plan);
size_t convolution_scratch_bytes(const struct convolution *convolution);

/* `start` has convolution_start_bytes and belongs to the caller, as the plan's bytes do. */
void convolution_begin(struct convolution *convolution, const struct plan *plan,
                       const struct kernel *kernel, int32_t *start);

/* Tiles of `batch` inputs; each may run in a thread of its own, with scratch of its own. */
size_t convolution_tiles(const struct convolution *convolution, size_t batch);

/* Makes tiles `first` to `end - 1`. input has (batch, in_height, in_width, in_channels) activations,
 * output (batch, out_height, out_width, out_channels). */
void convolution_run(const struct convolution *convolution, const int8_t *input, size_t batch,
                     size_t first, size_t end, int8_t *output, void *scratch);

#endif
