#include "dsp.h"
#include "requantize.h"

#if EP_HAS_DSP

void dsp_limit(int32_t min, int32_t max, int8_t *output, uint32_t count)
{
    if (min == INT8_MIN && max == INT8_MAX) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        output[i] = (int8_t)ep_clamp(output[i], min, max);
    }
}

#endif
