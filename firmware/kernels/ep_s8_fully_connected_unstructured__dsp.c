#include "dsp_fully_connected.h"

#if EP_HAS_DSP

dsp_sparse_loop dsp_weight_sums;

#define WEIGHT                 \
    "ldrb r12, [r1], #1\n"     \
    "ldrsb r11, [r0], #1\n"    \
    "add r7, r7, r12\n"        \
    "ldrsb r9, [r7], #1\n"     \
    "smlabb r8, r9, r11, r8\n"

__asm__(DSP_SPARSE_LOOP("dsp_weight_sums", "0", WEIGHT));

void ep_s8_fully_connected_unstructured__dsp(const struct ep_conv *conv, const int8_t *input,
                                             int8_t *output)
{
    dsp_run_sparse(conv, input, output, dsp_weight_sums);
}

#endif
