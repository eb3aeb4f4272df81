/* Which kernel runs an operation, and what it needs. */
#ifndef EDGEPRUNE_KERNEL_TABLE_H
#define EDGEPRUNE_KERNEL_TABLE_H

#include <stdint.h>

#include "edgeprune/plan.h"
#include "kernels.h"

/* The kernel of a convolution or a fully connected layer; NULL if this firmware has none. */
ep_conv_kernel *ep_conv_kernel_of(const struct ep_plan_op *op);

/* Bytes of scratch that the kernel takes. */
uint64_t ep_conv_scratch_bytes(const struct ep_plan_op *op, const struct ep_conv_args *args);

#endif
