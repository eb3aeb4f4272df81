/* What a kernel for one kind of processor is, and which one this processor gets. */
#ifndef EDGEPRUNE_KERNELS_KERNEL_H
#define EDGEPRUNE_KERNELS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KERNEL_MAX_PIXELS = 128, /* lanes * max_vectors of every kernel at most */
    KERNEL_ROWS = 16,        /* output channels between two stores */
    KERNEL_PLACE_BYTES = 4   /* between neighbouring pixels of a packed group */
};

struct convolution;

/* A kernel works on a step of output pixels, as many vectors of `lanes` pixels as the caller says, 1
 * to max_vectors. Activations are packed as [phase][group][place], a place being 4 channels of one
 * pixel (layout.h); a row of weights is then a list of offsets into them. */
struct kernel {
    const char *name;
    size_t lanes;
    size_t max_vectors;
    size_t min_vectors;        /* of a step, even where its activations leave the first cache */
    size_t packed_bytes;       /* of a tile at most, so that it stays in the first cache */
    size_t activation_bytes;   /* of one packed activation */
    int32_t activation_offset; /* what packing adds to each activation */
    bool (*runs_here)(void);

    /* Packs `channels` channels from each of `vectors` * lanes pixels; groups are `group_bytes`
     * apart. */
    void (*pack)(const int8_t *const *pixels, size_t vectors, size_t channels, size_t group_bytes,
                 void *packed);

    /* Output channels `row` to `row + count - 1`, at most KERNEL_ROWS: out[count][pixels]. */
    void (*rows)(const struct convolution *convolution, size_t row, size_t count, size_t vectors,
                 const void *packed, int8_t *out);

    /* Turns rows[KERNEL_ROWS][vectors * lanes] into `count` channels of each pixel, which are put
     * `row` bytes behind that pixel's pointer. */
    void (*store)(const int8_t *rows, size_t vectors, size_t row, size_t count,
                  int8_t *const *pixels);
};

extern const struct kernel kernel_scalar;
#if defined(__x86_64__)
extern const struct kernel kernel_avx2, kernel_avx_vnni, kernel_avx512_vnni;
#elif defined(__aarch64__)
extern const struct kernel kernel_neon_dot, kernel_neon;
#endif

/* All kernels of this instruction set, the best first and the scalar one last, which runs on every
 * processor; then NULL. */
extern const struct kernel *const KERNELS[];

/* The best of those that run here. */
const struct kernel *best_kernel(void);

#endif
