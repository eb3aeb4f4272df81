#include "dsp.h"

#if EP_HAS_DSP

dsp_row_loop dsp_dense_rows;

/* Eight weights a turn: 27 instructions for 32 products. */
__asm__(DSP_ROW_LOOP_BEGIN("dsp_dense_rows")
        "ldr r12, [sp, #44]\n"
        "add r12, r12, r0\n"
        "1: ldm r0!, {r3, lr}\n"
        "sxtb16 r2, r3\n sxtb16 r3, r3, ror #8\n"
        DSP_FOUR_WEIGHTS("r2", "r3")
        "sxtb16 r2, lr\n sxtb16 r3, lr, ror #8\n"
        DSP_FOUR_WEIGHTS("r2", "r3")
        "cmp r0, r12\n"
        "bne 1b\n"
        DSP_ROW_LOOP_END("dsp_dense_rows"));

void ep_s8_conv_2d_dense__dsp(const struct ep_conv *conv, const int8_t *input, int8_t *output)
{
    dsp_conv(conv, input, output, dsp_gather_pairs, dsp_dense_rows);
}

#endif
