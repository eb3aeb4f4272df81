#include "dsp.h"

#if EP_HAS_DSP

dsp_row_loop dsp_weight_rows;

/* 8 instructions for 4 products. */
#define WEIGHT                                                    \
    "ldrb r2, [lr], #1\n"                                         \
    "ldrsb r3, [r0], #1\n"                                        \
    "add r1, r1, r2, lsl #3\n"                                    \
    "ldm r1!, {r4, r5}\n"                                         \
    "smlabb r8, r3, r4, r8\n smlabt r9, r3, r4, r9\n"             \
    "smlabb r10, r3, r5, r10\n smlabt r11, r3, r5, r11\n"

/* Two weights a turn, as ep_s8_conv_2d_blocks_1x4__dsp.c. */
__asm__(DSP_ROW_LOOP_BEGIN("dsp_weight_rows")
        "ldr r2, [sp]\n"
        "ldrh r3, [r2], #2\n"
        "str r2, [sp]\n"
        "cmp r3, #0\n"
        "beq 3f\n"
        "add r12, r0, r3\n"
        "lsls r3, r3, #31\n"
        "bne 4f\n"
        "1:\n" WEIGHT
        "4:\n" WEIGHT
        "cmp r0, r12\n"
        "bne 1b\n"
        "3:\n"
        DSP_ROW_LOOP_END("dsp_weight_rows"));

void ep_s8_conv_2d_unstructured__dsp(const struct ep_conv *conv, const int8_t *input, int8_t *output)
{
    dsp_conv(conv, input, output, dsp_gather_weights, dsp_weight_rows);
}

#endif
