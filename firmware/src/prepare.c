/* The one place where a plan is judged. What passes here cannot make a kernel read or write outside
 * of the plan and the arena; so every check stands here and none in the kernels. */
#include <stdbool.h>

#include "crc32.h"
#include "edgeprune/engine.h"
#include "kernel_table.h"

enum { MAX_SIDE = 4096, MAX_SHIFT = 31, CHECKED_FROM = 12 };

/* A span of the plan or the arena. */
static bool is_inside(uint64_t at, uint64_t bytes, uint64_t room)
{
    return at <= room && bytes <= room - at;
}

static bool is_table(uint32_t at, uint64_t count, size_t item_bytes, uint32_t room)
{
    return at % EP_PLAN_ALIGN == 0 && is_inside(at, count * item_bytes, room);
}

static bool are_apart(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
    return a + a_bytes <= b || b + b_bytes <= a;
}

static enum ep_status check_header(const struct ep_plan_header *header, const uint8_t *plan,
                                   size_t plan_bytes, size_t arena_bytes)
{
    if (header->magic != EP_PLAN_MAGIC) {
        return EP_NO_PLAN;
    }
    if (header->plan_bytes < sizeof *header || header->plan_bytes > plan_bytes ||
        crc32_of(0, plan + CHECKED_FROM, header->plan_bytes - CHECKED_FROM) != header->crc32) {
        return EP_DAMAGED;
    }
    if (header->version != EP_PLAN_VERSION) {
        return EP_OTHER_VERSION;
    }
    if (header->arena_bytes > arena_bytes) {
        return EP_NO_ROOM;
    }
    const uint64_t tensors = (uint64_t)header->input_count + header->output_count;
    if (!is_table(header->tensors_at, tensors, sizeof(struct ep_plan_tensor), header->plan_bytes) ||
        !is_table(header->ops_at, header->op_count, sizeof(struct ep_plan_op),
                  header->plan_bytes)) {
        return EP_DAMAGED;
    }
    return EP_OK;
}

static bool is_tensor(const struct ep_plan_tensor *tensor, uint32_t arena_bytes)
{
    uint64_t bytes = 1;
    if (tensor->type != EP_INT8 || tensor->rank > EP_MAX_RANK) {
        return false;
    }
    for (unsigned i = 0; i < tensor->rank; i++) {
        if (tensor->shape[i] == 0 || tensor->shape[i] > UINT32_MAX / bytes) {
            return false;
        }
        bytes *= tensor->shape[i];
    }
    return bytes == tensor->bytes && is_inside(tensor->arena_at, bytes, arena_bytes);
}

static bool is_side(uint32_t value) { return value > 0 && value <= MAX_SIDE; }

static bool is_int8(int32_t value) { return value >= INT8_MIN && value <= INT8_MAX; }

static bool is_window(const struct ep_window *window)
{
    return is_side(window->in_height) && is_side(window->in_width) &&
           is_side(window->in_channels) && is_side(window->out_height) &&
           is_side(window->out_width) && is_side(window->out_channels) &&
           is_side(window->kernel_height) && is_side(window->kernel_width) &&
           is_side(window->stride_height) && is_side(window->stride_width) &&
           is_side(window->dilation_height) && is_side(window->dilation_width) &&
           window->pad_top <= MAX_SIDE && window->pad_left <= MAX_SIDE &&
           is_int8(window->in_zero_point) && is_int8(window->out_zero_point) &&
           is_int8(window->out_min) && is_int8(window->out_max) &&
           window->out_min <= window->out_max;
}

static uint64_t in_bytes(const struct ep_window *window)
{
    return (uint64_t)window->in_height * window->in_width * window->in_channels;
}

static uint64_t out_bytes(const struct ep_window *window)
{
    return (uint64_t)window->out_height * window->out_width * window->out_channels;
}

/* Whether the tuned kernels compute a channel exactly: dsp.h. */
static bool is_channel(const struct ep_plan_op *op, const struct ep_channel *channel)
{
    if (channel->multiplier < 0 || channel->shift > MAX_SHIFT || channel->shift < -MAX_SHIFT ||
        (op->kind == EP_FULLY_CONNECTED && channel->shift < -30)) {
        return false;
    }
    return op->isa == EP_SCALAR || (channel->shift >= 1 && channel->shift <= 22);
}

static bool is_conv(const struct ep_engine *engine, const struct ep_plan_op *op,
                    const struct ep_conv_args *args)
{
    const struct ep_window *window = &args->window;
    const uint32_t room = engine->header->plan_bytes, arena = engine->header->arena_bytes;
    if (!is_window(window) || args->row_bytes > (uint32_t)INT32_MAX) {
        return false;
    }
    const bool is_depthwise = op->kind == EP_DEPTHWISE_CONV_2D;
    const uint64_t row = (uint64_t)window->kernel_height * window->kernel_width *
                         (is_depthwise ? 1 : window->in_channels);
    const uint64_t row_bytes = is_depthwise ? row : (row + 7) / 8 * 8;
    const uint64_t scratch_bytes = ep_conv_scratch_bytes(op, args);
    if (args->row_bytes != row_bytes || args->weights_bytes != row_bytes * window->out_channels ||
        !is_table(args->weights_at, args->weights_bytes, 1, room) ||
        !is_table(args->channels_at, window->out_channels, sizeof(struct ep_channel), room) ||
        !is_inside(op->inputs[0], in_bytes(window), arena) ||
        !is_inside(op->output, out_bytes(window), arena) || op->inputs[1] != EP_NOWHERE) {
        return false;
    }
    if (is_depthwise && window->in_channels != window->out_channels) {
        return false;
    }
    if (op->kind == EP_FULLY_CONNECTED &&
        (in_bytes(window) != window->in_channels || out_bytes(window) != window->out_channels ||
         row != window->in_channels)) {
        return false;
    }
    if (op->isa == EP_DSP && op->kind != EP_FULLY_CONNECTED &&
        (window->out_min != INT8_MIN || window->out_max != INT8_MAX)) {
        return false;
    }
    if (op->isa == EP_DSP && is_depthwise &&
        (window->dilation_height != 1 || window->dilation_width != 1)) {
        return false;
    }
    if (scratch_bytes != 0 &&
        (op->scratch % EP_PLAN_ALIGN != 0 || op->scratch_bytes < scratch_bytes ||
         !is_inside(op->scratch, op->scratch_bytes, arena) ||
         !are_apart(op->scratch, op->scratch_bytes, op->inputs[0], in_bytes(window)) ||
         !are_apart(op->scratch, op->scratch_bytes, op->output, out_bytes(window)))) {
        return false;
    }
    const struct ep_channel *channels = (const void *)(engine->plan + args->channels_at);
    for (uint32_t c = 0; c < window->out_channels; c++) {
        if (!is_channel(op, &channels[c])) {
            return false;
        }
    }
    return true;
}

static bool is_add(const struct ep_engine *engine, const struct ep_plan_op *op,
                   const struct ep_add_args *args)
{
    const uint32_t arena = engine->header->arena_bytes;
    for (unsigned i = 0; i < 2; i++) {
        if (!is_inside(op->inputs[i], args->elements, arena) || !is_int8(args->zero_points[i]) ||
            args->multipliers[i] < 0 || args->shifts[i] < 0 || args->shifts[i] > MAX_SHIFT) {
            return false;
        }
    }
    return is_inside(op->output, args->elements, arena) && args->out_multiplier >= 0 &&
           args->out_shift >= 0 && args->out_shift <= MAX_SHIFT && is_int8(args->out_zero_point) &&
           is_int8(args->out_min) && is_int8(args->out_max) && args->out_min <= args->out_max;
}

static bool is_pool(const struct ep_engine *engine, const struct ep_plan_op *op,
                    const struct ep_pool_args *args)
{
    const struct ep_window *window = &args->window;
    const uint32_t arena = engine->header->arena_bytes;
    return is_window(window) && window->in_channels == window->out_channels &&
           window->pad_top < window->kernel_height && window->pad_left < window->kernel_width &&
           (uint32_t)(window->out_height - 1) * window->stride_height <
               (uint32_t)window->in_height + window->pad_top &&
           (uint32_t)(window->out_width - 1) * window->stride_width <
               (uint32_t)window->in_width + window->pad_left &&
           is_inside(op->inputs[0], in_bytes(window), arena) &&
           is_inside(op->output, out_bytes(window), arena);
}

static bool is_softmax(const struct ep_engine *engine, const struct ep_plan_op *op,
                       const struct ep_softmax_args *args)
{
    const uint32_t arena = engine->header->arena_bytes;
    const uint64_t bytes = (uint64_t)args->rows * args->columns;
    return args->columns > 0 && args->columns <= 2048 && args->multiplier >= 0 &&
           args->left_shift >= 0 && args->left_shift <= MAX_SHIFT && args->diff_min <= 0 &&
           is_inside(op->inputs[0], bytes, arena) && is_inside(op->output, bytes, arena);
}

static enum ep_status check_op(const struct ep_engine *engine, const struct ep_plan_op *op)
{
    static const size_t ARGS_BYTES[EP_KIND_END] = {
        0,
        sizeof(struct ep_conv_args),
        sizeof(struct ep_conv_args),
        sizeof(struct ep_conv_args),
        sizeof(struct ep_add_args),
        sizeof(struct ep_pool_args),
        sizeof(struct ep_softmax_args),
    };
    if (op->kind == 0 || op->kind >= EP_KIND_END) {
        return EP_NO_KERNEL;
    }
    if (!is_table(op->args_at, 1, ARGS_BYTES[op->kind], engine->header->plan_bytes)) {
        return EP_BAD_OP;
    }
    const void *args = engine->plan + op->args_at;
    bool is_good = false;
    switch (op->kind) {
    case EP_ADD:
        is_good = is_add(engine, op, args);
        break;
    case EP_AVERAGE_POOL_2D:
        is_good = is_pool(engine, op, args);
        break;
    case EP_SOFTMAX:
        is_good = is_softmax(engine, op, args);
        break;
    default:
        if (ep_conv_kernel_of(op) == NULL) {
            return EP_NO_KERNEL;
        }
        is_good = is_conv(engine, op, args);
    }
    return is_good ? EP_OK : EP_BAD_OP;
}

enum ep_status ep_prepare(struct ep_engine *engine, const void *plan, size_t plan_bytes, void *arena,
                          size_t arena_bytes)
{
    if (plan_bytes < sizeof(struct ep_plan_header) || (uintptr_t)plan % EP_PLAN_ALIGN != 0 ||
        (uintptr_t)arena % EP_PLAN_ALIGN != 0) {
        return EP_NO_PLAN;
    }
    const struct ep_plan_header *header = plan;
    enum ep_status status = check_header(header, plan, plan_bytes, arena_bytes);
    if (status != EP_OK) {
        return status;
    }
    engine->plan = plan;
    engine->header = header;
    engine->tensors = (const void *)(engine->plan + header->tensors_at);
    engine->ops = (const void *)(engine->plan + header->ops_at);
    engine->arena = arena;
    for (unsigned i = 0; i < (unsigned)header->input_count + header->output_count; i++) {
        if (!is_tensor(&engine->tensors[i], header->arena_bytes)) {
            return EP_BAD_TENSOR;
        }
    }
    for (engine->bad_op = 0; engine->bad_op < header->op_count; engine->bad_op++) {
        status = check_op(engine, &engine->ops[engine->bad_op]);
        if (status != EP_OK) {
            return status;
        }
    }
    return EP_OK;
}

const char *ep_status_text(enum ep_status status)
{
    switch (status) {
    case EP_OK:
        return "the plan is ready";
    case EP_NO_PLAN:
        return "these bytes are no plan";
    case EP_OTHER_VERSION:
        return "the plan is of another version: compile it anew";
    case EP_DAMAGED:
        return "the plan is damaged: push it again";
    case EP_NO_ROOM:
        return "the arena is too small for the plan";
    case EP_BAD_TENSOR:
        return "an input or output of the plan does not fit into its arena";
    case EP_BAD_OP:
        return "an operation of the plan does not fit";
    case EP_NO_KERNEL:
        return "this firmware has no kernel for an operation of the plan";
    }
    return "unknown status";
}
