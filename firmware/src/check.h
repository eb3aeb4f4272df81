/* What the judges of a plan share: ep_prepare (prepare.c) asks one of them for every operation. What
 * passes cannot make a kernel read or write outside of the plan and the arena, nor overflow; so
 * every check stands in a judge and none in the kernels. */
#ifndef EDGEPRUNE_CHECK_H
#define EDGEPRUNE_CHECK_H

#include <stdbool.h>

#include "edgeprune/engine.h"

enum { MAX_SIDE = 4096, MAX_SHIFT = 31 };

/* Whether a span lies in the plan or the arena, which holds `room` bytes. */
static inline bool is_inside(uint64_t at, uint64_t bytes, uint64_t room)
{
    return at <= room && bytes <= room - at;
}

static inline bool is_table(uint32_t at, uint64_t count, size_t item_bytes, uint32_t room)
{
    return at % EP_PLAN_ALIGN == 0 && is_inside(at, count * item_bytes, room);
}

static inline bool are_apart(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
    return a + a_bytes <= b || b + b_bytes <= a;
}

static inline bool is_int8(int32_t value) { return value >= INT8_MIN && value <= INT8_MAX; }

static inline bool is_range(int32_t min, int32_t max)
{
    return is_int8(min) && is_int8(max) && min <= max;
}

/* What ep_requantize_twice takes. */
static inline bool is_factor(int32_t multiplier, int32_t shift)
{
    return multiplier >= 0 && shift >= -MAX_SHIFT && shift <= MAX_SHIFT;
}

static inline uint64_t in_bytes(const struct ep_window *window)
{
    return (uint64_t)window->in_height * window->in_width * window->in_channels;
}

static inline uint64_t out_bytes(const struct ep_window *window)
{
    return (uint64_t)window->out_height * window->out_width * window->out_channels;
}

/* Sides, zero points and range are within limits. */
bool ep_is_window(const struct ep_window *window);

/* The judges: whether an operation fits its tensors, weights and scratch. `args` lies in the plan. */
typedef bool ep_judge(const struct ep_engine *engine, const struct ep_plan_op *op, const void *args);

ep_judge ep_is_conv, ep_is_pool, ep_is_softmax, ep_is_mean, ep_is_lookup, ep_is_copy;
ep_judge ep_is_add /* and SUB */, ep_is_mul;

#endif
