#include "kinds.h"

#include "kernel_table.h"

static const int8_t *input(const struct ep_engine *engine, const struct ep_plan_op *op, unsigned number)
{
    return (const int8_t *)(engine->arena + op->inputs[number]);
}

static int8_t *output(const struct ep_engine *engine, const struct ep_plan_op *op)
{
    return (int8_t *)(engine->arena + op->output);
}

static void run_conv(const struct ep_engine *engine, const struct ep_plan_op *op, const void *from)
{
    const struct ep_conv_args *args = from;
    const int is_sparse = op->pattern != EP_DENSE;
    const struct ep_conv conv = {
        .args = args,
        .channels = (const void *)(engine->plan + args->channels_at),
        .weights = (const int8_t *)(engine->plan + args->weights_at),
        .row_ends = is_sparse ? (const void *)(engine->plan + args->row_ends_at) : NULL,
        .index = is_sparse ? engine->plan + args->index_at : NULL,
        .scratch = op->scratch == EP_NOWHERE ? NULL : engine->arena + op->scratch,
    };
    ep_conv_kernel_of(op)(&conv, input(engine, op, 0), output(engine, op));
}

static void run_add(const struct ep_engine *engine, const struct ep_plan_op *op, const void *args)
{
    ep_s8_add__scalar(args, input(engine, op, 0), input(engine, op, 1), output(engine, op));
}

static void run_average_pool(const struct ep_engine *engine, const struct ep_plan_op *op,
                             const void *args)
{
    ep_s8_average_pool_2d__scalar(args, input(engine, op, 0), output(engine, op));
}

static void run_softmax(const struct ep_engine *engine, const struct ep_plan_op *op, const void *args)
{
    ep_s8_softmax__scalar(args, input(engine, op, 0), output(engine, op));
}

const struct ep_kind_entry *ep_kind_of(const struct ep_plan_op *op)
{
    static const struct ep_kind_entry KINDS[EP_KIND_END] = {
        [EP_CONV_2D] = {sizeof(struct ep_conv_args), ep_is_conv, run_conv},
        [EP_DEPTHWISE_CONV_2D] = {sizeof(struct ep_conv_args), ep_is_conv, run_conv},
        [EP_FULLY_CONNECTED] = {sizeof(struct ep_conv_args), ep_is_conv, run_conv},
        [EP_ADD] = {sizeof(struct ep_add_args), ep_is_add, run_add},
        [EP_AVERAGE_POOL_2D] = {sizeof(struct ep_pool_args), ep_is_pool, run_average_pool},
        [EP_SOFTMAX] = {sizeof(struct ep_softmax_args), ep_is_softmax, run_softmax},
    };
    if (op->kind >= EP_KIND_END || KINDS[op->kind].run == NULL ||
        (KINDS[op->kind].run == run_conv && ep_conv_kernel_of(op) == NULL)) {
        return NULL;
    }
    return &KINDS[op->kind];
}
