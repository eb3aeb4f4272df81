#include "kinds.h"

#include "kernel_table.h"

static const int8_t *input(const struct ep_engine *engine, const struct ep_plan_op *op,
                           unsigned number)
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
    const int is_sparse = ep_is_sparse(op);
    const struct ep_conv conv = {
        .args = args,
        .channels = (const void *)(engine->plan + args->channels_at),
        .shifts = (const int8_t *)(engine->plan + args->shifts_at),
        .weights = (const int8_t *)(engine->plan + args->weights_at),
        .counts = is_sparse ? (const void *)(engine->plan + args->counts_at) : NULL,
        .index = is_sparse ? engine->plan + args->index_at : NULL,
        .scratch = op->scratch == EP_NOWHERE ? NULL : engine->arena + op->scratch,
    };
    ep_conv_kernel_of(op)(&conv, input(engine, op, 0), output(engine, op));
}

/* An input of arithmetic: in the arena, or constant. */
static const int8_t *operand(const struct ep_engine *engine, const struct ep_plan_op *op,
                             const struct ep_broadcast *broadcast, unsigned number)
{
    return op->inputs[number] == EP_NOWHERE
               ? (const int8_t *)(engine->plan + broadcast->constant_at[number])
               : input(engine, op, number);
}

static void run_arithmetic(const struct ep_engine *engine, const struct ep_plan_op *op,
                           const void *args)
{
    ep_arithmetic_kernel *kernel = ep_arithmetic_kernel_of(op);
    kernel(args, operand(engine, op, args, 0), operand(engine, op, args, 1), output(engine, op));
}

static void run_lookup(const struct ep_engine *engine, const struct ep_plan_op *op, const void *from)
{
    const struct ep_lookup_args *args = from;
    ep_lookup_kernel_of(op)((const int8_t *)(engine->plan + args->table_at), args->elements,
                            input(engine, op, 0), output(engine, op));
}

/* Kinds of one input that need nothing but their arguments. */
static void run_plain(const struct ep_engine *engine, const struct ep_plan_op *op, const void *args)
{
    ep_plain_kernel_of(op)(args, input(engine, op, 0), output(engine, op));
}

static bool has_kernel(const struct ep_plan_op *op)
{
    return ep_conv_kernel_of(op) != NULL || ep_arithmetic_kernel_of(op) != NULL ||
           ep_plain_kernel_of(op) != NULL || ep_lookup_kernel_of(op) != NULL;
}

/* An exported network's tables name only what it needs (edgeprune/firmware/export.py): NULL otherwise. */
const struct ep_kind_entry *ep_kind_of(const struct ep_plan_op *op)
{
    static const struct ep_kind_entry KINDS[EP_KIND_END] = {
        [EP_CONV_2D] = {sizeof(struct ep_conv_args), ep_is_conv, run_conv},
        [EP_DEPTHWISE_CONV_2D] = {sizeof(struct ep_conv_args), ep_is_conv, run_conv},
        [EP_FULLY_CONNECTED] = {sizeof(struct ep_conv_args), ep_is_conv, run_conv},
        [EP_ADD] = {sizeof(struct ep_add_args), ep_is_add, run_arithmetic},
        [EP_AVERAGE_POOL_2D] = {sizeof(struct ep_pool_args), ep_is_pool, run_plain},
        [EP_SOFTMAX] = {sizeof(struct ep_softmax_args), ep_is_softmax, run_plain},
        [EP_MAX_POOL_2D] = {sizeof(struct ep_pool_args), ep_is_pool, run_plain},
        [EP_LOOKUP] = {sizeof(struct ep_lookup_args), ep_is_lookup, run_lookup},
        [EP_MEAN] = {sizeof(struct ep_mean_args), ep_is_mean, run_plain},
        [EP_SUB] = {sizeof(struct ep_add_args), ep_is_add, run_arithmetic},
        [EP_MUL] = {sizeof(struct ep_mul_args), ep_is_mul, run_arithmetic},
        [EP_COPY] = {sizeof(struct ep_copy_args), ep_is_copy, run_plain},
    };
    return has_kernel(op) && KINDS[op->kind].is_good != NULL ? &KINDS[op->kind] : NULL;
}
