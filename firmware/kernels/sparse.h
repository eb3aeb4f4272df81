/* Sparse rows, for plain kernels: plan.h says how they are stored. */
#ifndef EDGEPRUNE_SPARSE_H
#define EDGEPRUNE_SPARSE_H

#include "kernels.h"

/* A convolution and a fully connected layer whose weights stand in blocks of `block` along a row. */
void ep_s8_conv_2d_sparse(const struct ep_conv *conv, const int8_t *input, int8_t *output,
                          uint32_t block);
void ep_s8_fully_connected_sparse(const struct ep_conv *conv, const int8_t *input, int8_t *output,
                                  uint32_t block);

#endif
