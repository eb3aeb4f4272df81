#include "kernel.h"

const struct kernel *const KERNELS[] = {
#if defined(__x86_64__)
    &kernel_avx512_vnni, &kernel_avx_vnni, &kernel_avx2,
#elif defined(__aarch64__)
    &kernel_neon_dot, &kernel_neon,
#endif
    &kernel_scalar, NULL};

const struct kernel *best_kernel(void)
{
    const struct kernel *const *next = KERNELS;
    while (!(*next)->runs_here()) {
        next++;
    }
    return *next;
}
