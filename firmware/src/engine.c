#include "edgeprune/engine.h"

#include "kernel_table.h"

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

static void run_conv(const struct ep_engine *engine, const struct ep_plan_op *op)
{
    const struct ep_conv_args *args = (const void *)(engine->plan + op->args_at);
    const int is_sparse = op->pattern != EP_DENSE;
    const struct ep_conv conv = {
        .args = args,
        .channels = (const void *)(engine->plan + args->channels_at),
        .weights = (const int8_t *)(engine->plan + args->weights_at),
        .row_ends = is_sparse ? (const void *)(engine->plan + args->row_ends_at) : NULL,
        .index = is_sparse ? engine->plan + args->index_at : NULL,
        .scratch = op->scratch == EP_NOWHERE ? NULL : engine->arena + op->scratch,
    };
    ep_conv_kernel_of(op)(&conv, (const int8_t *)(engine->arena + op->inputs[0]),
                          (int8_t *)(engine->arena + op->output));
}

static void run_op(const struct ep_engine *engine, const struct ep_plan_op *op)
{
    const void *args = engine->plan + op->args_at;
    const int8_t *input = (const int8_t *)(engine->arena + op->inputs[0]);
    int8_t *output = (int8_t *)(engine->arena + op->output);
    switch (op->kind) {
    case EP_ADD:
        ep_s8_add__scalar(args, input, (const int8_t *)(engine->arena + op->inputs[1]), output);
        break;
    case EP_AVERAGE_POOL_2D:
        ep_s8_average_pool_2d__scalar(args, input, output);
        break;
    case EP_SOFTMAX:
        ep_s8_softmax__scalar(args, input, output);
        break;
    default:
        run_conv(engine, op);
    }
}

void ep_run(const struct ep_engine *engine, ep_after *after, void *context)
{
    for (uint32_t i = 0; i < engine->header->op_count; i++) {
        run_op(engine, &engine->ops[i]);
        if (after != NULL) {
            after(context, i);
        }
    }
}
