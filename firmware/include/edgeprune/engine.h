/* Runs plans (plan.h). No heap, nothing kept between calls but what the caller hands in.
 *
 *     static uint32_t arena[4096];
 *     struct ep_engine engine;
 *     enum ep_status status = ep_prepare(&engine, plan, plan_bytes, arena, sizeof arena);
 *     if (status == EP_OK) {
 *         memcpy(ep_input(&engine, 0), features, ep_input_tensor(&engine, 0)->bytes);
 *         ep_run(&engine, NULL, NULL);
 *         ... ep_output(&engine, 0) ...
 *     }
 */
#ifndef EDGEPRUNE_ENGINE_H
#define EDGEPRUNE_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "edgeprune/plan.h"

enum ep_status {
    EP_OK = 0,
    EP_NO_PLAN,       /* too short, another magic, or not aligned to 4 bytes */
    EP_OTHER_VERSION, /* made for another firmware: compile the plan anew */
    EP_DAMAGED,       /* CRC or length differ: push it again */
    EP_NO_ROOM,       /* the arena is smaller than the plan's arena_bytes */
    EP_BAD_TENSOR,    /* an input or output does not fit into the arena */
    EP_BAD_OP,        /* an operation does not fit its tensors, weights or scratch */
    EP_NO_KERNEL      /* an operation, or its pattern, is not in this firmware */
};

struct ep_engine {
    const uint8_t *plan;
    const struct ep_plan_header *header;
    const struct ep_plan_tensor *tensors;
    const struct ep_plan_op *ops;
    uint8_t *arena;
    uint32_t bad_op; /* the number of the operation that ep_prepare refused */
};

/* Checks a plan whole, so that ep_run needs no check. `plan` and `arena`, aligned to 4 bytes, must
 * outlive `engine`; `engine` is usable only after EP_OK. */
enum ep_status ep_prepare(struct ep_engine *engine, const void *plan, size_t plan_bytes, void *arena,
                          size_t arena_bytes);

const struct ep_plan_tensor *ep_input_tensor(const struct ep_engine *engine, unsigned number);
const struct ep_plan_tensor *ep_output_tensor(const struct ep_engine *engine, unsigned number);
int8_t *ep_input(const struct ep_engine *engine, unsigned number);
const int8_t *ep_output(const struct ep_engine *engine, unsigned number);

/* Called behind every operation with its number, where ep_run was given one. */
typedef void ep_after(void *context, uint32_t op);

/* Runs the network once. Inputs may be overwritten: set them anew before each run. */
void ep_run(const struct ep_engine *engine, ep_after *after, void *context);

/* One plain line. */
const char *ep_status_text(enum ep_status status);

#endif
