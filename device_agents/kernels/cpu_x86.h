/* What an x86 processor and its operating system can run. */
#ifndef EDGEPRUNE_KERNELS_CPU_X86_H
#define EDGEPRUNE_KERNELS_CPU_X86_H

#include <stdbool.h>

/* AVX2; with it AVX-VNNI; AVX-512 F, BW, VL and VNNI. */
bool cpu_has_avx2(void);
bool cpu_has_avx_vnni(void);
bool cpu_has_avx512_vnni(void);

#endif
