#include "check.h"

static bool is_side(uint32_t value) { return value > 0 && value <= MAX_SIDE; }

bool ep_is_window(const struct ep_window *window)
{
    return is_side(window->in_height) && is_side(window->in_width) &&
           window->in_channels > 0 && is_side(window->out_height) &&
           is_side(window->out_width) && window->out_channels > 0 &&
           is_side(window->kernel_height) && is_side(window->kernel_width) &&
           is_side(window->stride_height) && is_side(window->stride_width) &&
           is_side(window->dilation_height) && is_side(window->dilation_width) &&
           window->pad_top <= MAX_SIDE && window->pad_left <= MAX_SIDE &&
           is_int8(window->in_zero_point) && is_int8(window->out_zero_point) &&
           is_int8(window->out_min) && is_int8(window->out_max) &&
           window->out_min <= window->out_max;
}
