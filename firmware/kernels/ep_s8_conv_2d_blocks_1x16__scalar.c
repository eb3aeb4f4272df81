#include "sparse.h"

void ep_s8_conv_2d_blocks_1x16__scalar(const struct ep_conv *conv, const int8_t *input,
                                      int8_t *output)
{
    ep_s8_conv_2d_sparse(conv, input, output, 16);
}
