/* Which kernel runs an operation, and what it needs. */
#ifndef EDGEPRUNE_KERNEL_TABLE_H
#define EDGEPRUNE_KERNEL_TABLE_H

#include <stdint.h>

#include "edgeprune/plan.h"
#include "kernels.h"

/* Whether a pattern stores only some weights, with counts and an index. */
static inline int ep_is_sparse(const struct ep_plan_op *op)
{
    return op->pattern == EP_BLOCKS_1X4 || op->pattern == EP_BLOCKS_1X16 ||
           op->pattern == EP_UNSTRUCTURED;
}

/* The kernel of a convolution or a fully connected layer; NULL if this firmware has none. */
ep_conv_kernel *ep_conv_kernel_of(const struct ep_plan_op *op);

/* Those of ADD, SUB and MUL, of what takes one input and its arguments, and of LOOKUP; NULL alike. */
ep_arithmetic_kernel *ep_arithmetic_kernel_of(const struct ep_plan_op *op);
ep_kernel *ep_plain_kernel_of(const struct ep_plan_op *op);
ep_lookup_kernel *ep_lookup_kernel_of(const struct ep_plan_op *op);

/* Bytes of weights of an output channel, and how many output channels weights and table hold: kernels
 * that take more than one at a time find zeros behind the last. */
uint64_t ep_conv_row_bytes(const struct ep_plan_op *op, const struct ep_window *window);
uint64_t ep_conv_rows(const struct ep_plan_op *op, const struct ep_window *window);

/* Bytes of scratch that the kernel takes. */
uint64_t ep_conv_scratch_bytes(const struct ep_plan_op *op, const struct ep_conv_args *args);

#endif
