#include "dsp.h"

#if EP_HAS_DSP

dsp_row_loop dsp_block_rows;

/* 15 instructions for 16 products. */
#define BLOCK                                             \
    "ldrb r2, [lr], #1\n"                                 \
    "ldr r3, [r0], #4\n"                                  \
    "add r1, r1, r2, lsl #5\n"                            \
    "sxtb16 r2, r3\n sxtb16 r3, r3, ror #8\n"             \
    DSP_FOUR_WEIGHTS("r2", "r3")

/* Two blocks a turn; where a row has an odd number, the first turn begins with the second. */
__asm__(DSP_ROW_LOOP_BEGIN("dsp_block_rows")
        "ldr r2, [sp]\n"
        "ldrh r3, [r2], #2\n"
        "str r2, [sp]\n"
        "cmp r3, #0\n"
        "beq 3f\n"
        "add r12, r0, r3, lsl #2\n"
        "lsls r3, r3, #31\n"
        "bne 4f\n"
        "1:\n" BLOCK
        "4:\n" BLOCK
        "cmp r0, r12\n"
        "bne 1b\n"
        "3:\n"
        DSP_ROW_LOOP_END("dsp_block_rows"));

void ep_s8_conv_2d_blocks_1x4__dsp(const struct ep_conv *conv, const int8_t *input, int8_t *output)
{
    dsp_conv(conv, input, output, dsp_gather_pairs, dsp_block_rows);
}

#endif
