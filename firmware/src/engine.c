#include "edgeprune/engine.h"

#include "kinds.h"

const struct ep_plan_tensor *ep_input_tensor(const struct ep_engine *engine, unsigned number)
{
    return &engine->tensors[number];
}

const struct ep_plan_tensor *ep_output_tensor(const struct ep_engine *engine, unsigned number)
{
    return &engine->tensors[engine->header->input_count + number];
}

int8_t *ep_input(const struct ep_engine *engine, unsigned number)
{
    return (int8_t *)(engine->arena + ep_input_tensor(engine, number)->arena_at);
}

const int8_t *ep_output(const struct ep_engine *engine, unsigned number)
{
    return (const int8_t *)(engine->arena + ep_output_tensor(engine, number)->arena_at);
}

void ep_run(const struct ep_engine *engine, ep_after *after, void *context)
{
    for (uint32_t i = 0; i < engine->header->op_count; i++) {
        const struct ep_plan_op *op = &engine->ops[i];
        ep_kind_of(op)->run(engine, op, engine->plan + op->args_at);
        if (after != NULL) {
            after(context, i);
        }
    }
}
