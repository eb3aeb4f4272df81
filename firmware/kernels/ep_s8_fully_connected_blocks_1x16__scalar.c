#include "sparse.h"

void ep_s8_fully_connected_blocks_1x16__scalar(const struct ep_conv *conv, const int8_t *input,
                                              int8_t *output)
{
    ep_s8_fully_connected_sparse(conv, input, output, 16);
}
