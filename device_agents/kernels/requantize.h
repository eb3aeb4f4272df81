/* From sums to int8, exactly as XNNPACK's qs8_qc8w kernels with "fp32" requantization do.
 *
 * The sum becomes a float, is multiplied by the channel's scale, rounded to the nearest integer (to
 * the even one of two), and the zero point is added; what lies outside the bounds becomes the bound.
 * Each step rounds the same on Arm (SCVTF, FMUL, FCVTNS) and x86 (CVTDQ2PS, MULPS, CVTPS2DQ).
 * Bounding before rounding gives the same, as the bounds are integers. Where a scaled sum is below
 * -2^31, the kernel for AVX-512 wraps as XNNPACK's does, and all others saturate as XNNPACK's do.
 *
 * Source: google/XNNPACK, src/qs8-gemm/MRx16c8-avx512vnni.c.in and 4x16c4-aarch64-neondot-ld128.S.in.
 */
#ifndef EDGEPRUNE_KERNELS_REQUANTIZE_H
#define EDGEPRUNE_KERNELS_REQUANTIZE_H

#include <math.h>
#include <string.h>

#include "plan.h"

static inline float plan_scale(const struct plan *plan, size_t row)
{
    float scale;
    memcpy(&scale, plan->scale + 4 * row, sizeof scale);
    return scale;
}

static inline int8_t requantize(const struct plan *plan, int32_t sum, float scale)
{
    const float low = (float)(plan->output_min - plan->output_zero_point);
    const float high = (float)(plan->output_max - plan->output_zero_point);
    const float scaled = fmaxf(low, fminf((float)sum * scale, high));
    return (int8_t)((int32_t)lrintf(scaled) + plan->output_zero_point);
}

#endif
