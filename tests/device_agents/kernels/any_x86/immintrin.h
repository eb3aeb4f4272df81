/* Stands in for the compiler's header of this name: x86 kernels are computed by plain C (SIMDe), so
 * that those for AVX-512 and AVX-VNNI run on any machine. What SIMDe 0.7.4 lacks is below. */
#ifndef EDGEPRUNE_TESTS_IMMINTRIN_H
#define EDGEPRUNE_TESTS_IMMINTRIN_H

#define SIMDE_NO_NATIVE
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <math.h>
#include <simde/x86/avx2.h>
#include <simde/x86/avx512.h>
#include <string.h>

static inline __m512 any_x86_cvtepi32_ps(__m512i integers)
{
    int32_t from[16];
    __m512 to;
    float floats[16];
    memcpy(from, &integers, sizeof from);
    for (int i = 0; i < 16; i++) {
        floats[i] = (float)from[i];
    }
    memcpy(&to, floats, sizeof to);
    return to;
}

/* To the nearest, ties to even; what does not fit becomes the smallest integer. */
static inline __m512i any_x86_cvtps_epi32(__m512 floats)
{
    float from[16];
    __m512i to;
    int32_t integers[16];
    memcpy(from, &floats, sizeof from);
    for (int i = 0; i < 16; i++) {
        const float near = rintf(from[i]);
        integers[i] = near >= -0x1p31f && near < 0x1p31f ? (int32_t)near : INT32_MIN;
    }
    memcpy(&to, integers, sizeof to);
    return to;
}

#define _mm512_cvtepi32_ps any_x86_cvtepi32_ps
#define _mm512_cvtps_epi32 any_x86_cvtps_epi32
#define _mm256_dpbusd_avx_epi32 simde_mm256_dpbusd_epi32

#endif
