#include "dsp_fully_connected.h"

#if EP_HAS_DSP

dsp_sparse_loop dsp_block_sums;

/* 8 instructions for 4 products. */
#define BLOCK                                    \
    "ldrb r12, [r1], #1\n"                       \
    "ldr r11, [r0], #4\n"                        \
    "add r7, r7, r12, lsl #3\n"                  \
    "ldrd r9, r10, [r7], #8\n"                   \
    "sxtb16 r12, r11\n sxtb16 r11, r11, ror #8\n" \
    "smlad r8, r12, r9, r8\n smlad r8, r11, r10, r8\n"

__asm__(DSP_SPARSE_LOOP("dsp_block_sums", "2", BLOCK));

void ep_s8_fully_connected_blocks_1x4__dsp(const struct ep_conv *conv, const int8_t *input,
                                           int8_t *output)
{
    dsp_split(conv, input);
    dsp_run_sparse(conv, conv->scratch, output, dsp_block_sums);
}

#endif
