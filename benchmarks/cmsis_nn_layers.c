/* Runs a network's layers by direct calls of CMSIS-NN, for benchmarks/beside_cmsis_nn.py, which writes
 * the file that it reads (all numbers int32): the number of tensors, of layers, the first and the last
 * tensor, the bytes of each tensor; then the first tensor; then layers. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "arm_nnfunctions.h"

enum { POOL_BYTES = 6 << 20, MAX_TENSORS = 256, SCRATCH_BYTES = 1 << 18 };
enum { CONV = 1, DEPTHWISE = 2, FULLY_CONNECTED = 3, ADD = 4, AVERAGE_POOL = 5, SOFTMAX = 6 };

struct layer {
    int32_t kind, inputs[2], output, weights_bytes, channels;
    int32_t in[3], out[3], kernel[2], stride[2], dilation[2], pad[2]; /* height, width, channels */
    int32_t zero_points[3], limits[2];
    int32_t numbers[8]; /* ADD: multipliers, shifts; SOFTMAX: rows, columns, multiplier, shift, minimum */
};

static uint8_t pool[POOL_BYTES] __attribute__((aligned(8)));
static uint8_t scratch[SCRATCH_BYTES] __attribute__((aligned(8)));
static int8_t *tensors[MAX_TENSORS];
static uint32_t used;

static uint32_t ticks(void) { return *(volatile uint32_t *)TICKS_AT; }

static void *taken(int32_t bytes)
{
    void *at = pool + used;
    used += ((uint32_t)bytes + 7) & ~7u;
    return used <= sizeof pool ? at : NULL;
}

static void *read_block(FILE *in, int32_t bytes)
{
    void *at = taken(bytes);
    const size_t all = ((size_t)bytes + 3) & ~(size_t)3;
    return at != NULL && fread(at, 1, all, in) == all ? at : NULL;
}

static int weighted(const struct layer *layer, int8_t *weights, int32_t *bias, int32_t *multipliers,
                    int32_t *shifts, uint32_t *taken_ticks)
{
    const int8_t *input = tensors[layer->inputs[0]];
    int8_t *output = tensors[layer->output];
    const cmsis_nn_dims in = {1, layer->in[0], layer->in[1], layer->in[2]};
    const cmsis_nn_dims out = {1, layer->out[0], layer->out[1], layer->out[2]};
    const cmsis_nn_dims bias_dims = {1, 1, 1, layer->out[2]};
    const cmsis_nn_per_channel_quant_params quant = {multipliers, shifts};
    const cmsis_nn_tile stride = {layer->stride[1], layer->stride[0]};
    const cmsis_nn_tile pad = {layer->pad[1], layer->pad[0]};
    const cmsis_nn_tile dilation = {layer->dilation[1], layer->dilation[0]};
    const cmsis_nn_activation range = {layer->limits[0], layer->limits[1]};
    const int32_t in_offset = -layer->zero_points[0], out_offset = layer->zero_points[2];
    cmsis_nn_context context = {scratch, 0};
    arm_cmsis_nn_status status = ARM_CMSIS_NN_ARG_ERROR;
    const uint32_t before = ticks();
    if (layer->kind == CONV) {
        const cmsis_nn_conv_params params = {in_offset, out_offset, stride, pad, dilation, range};
        const cmsis_nn_dims filter = {layer->out[2], layer->kernel[0], layer->kernel[1], layer->in[2]};
        context.size = arm_convolve_wrapper_s8_get_buffer_size(&params, &in, &filter, &out);
        status = context.size > SCRATCH_BYTES
                     ? ARM_CMSIS_NN_ARG_ERROR
                     : arm_convolve_wrapper_s8(&context, &params, &quant, &in, input, &filter,
                                               weights, &bias_dims, bias, &out, output);
    } else if (layer->kind == DEPTHWISE) {
        const cmsis_nn_dw_conv_params params = {in_offset, out_offset, 1,    stride,
                                                pad,       dilation,   range};
        const cmsis_nn_dims filter = {1, layer->kernel[0], layer->kernel[1], layer->out[2]};
        context.size = arm_depthwise_conv_wrapper_s8_get_buffer_size(&params, &in, &filter, &out);
        status = context.size > SCRATCH_BYTES
                     ? ARM_CMSIS_NN_ARG_ERROR
                     : arm_depthwise_conv_wrapper_s8(&context, &params, &quant, &in, input, &filter,
                                                     weights, &bias_dims, bias, &out, output);
    } else {
        const cmsis_nn_fc_params params = {in_offset, 0, out_offset, range};
        const cmsis_nn_per_tensor_quant_params one = {multipliers[0], shifts[0]};
        const cmsis_nn_dims filter = {layer->in[2], 1, 1, layer->out[2]};
        const cmsis_nn_dims rows = {1, 1, 1, layer->in[2]};
        context.size = arm_fully_connected_s8_get_buffer_size(&filter);
        if (context.size > 0) { /* the sums of rows, which belong to the weights: not counted */
            arm_vector_sum_s8((int32_t *)(void *)scratch, layer->in[2], layer->out[2], weights,
                              in_offset, 0, bias);
        }
        const uint32_t again = ticks();
        status = arm_fully_connected_s8(&context, &params, &one, &rows, input, &filter, weights,
                                        &bias_dims, bias, &out, output);
        *taken_ticks = ticks() - again;
        return status == ARM_CMSIS_NN_SUCCESS;
    }
    *taken_ticks = ticks() - before;
    return status == ARM_CMSIS_NN_SUCCESS;
}

static int plain(const struct layer *layer, uint32_t *taken_ticks)
{
    const int8_t *a = tensors[layer->inputs[0]];
    int8_t *to = tensors[layer->output];
    const int32_t *n = layer->numbers, *zero = layer->zero_points;
    const uint32_t before = ticks();
    if (layer->kind == ADD) {
        arm_elementwise_add_s8(a, tensors[layer->inputs[1]], -zero[0], n[0], n[3], -zero[1], n[1],
                               n[4], 20, to, zero[2], n[2], n[5], layer->limits[0],
                               layer->limits[1], n[6]);
    } else if (layer->kind == AVERAGE_POOL) {
        const cmsis_nn_dims in = {1, layer->in[0], layer->in[1], layer->in[2]};
        const cmsis_nn_dims out = {1, layer->out[0], layer->out[1], layer->out[2]};
        const cmsis_nn_dims filter = {1, layer->kernel[0], layer->kernel[1], 1};
        const cmsis_nn_pool_params params = {{layer->stride[1], layer->stride[0]},
                                             {layer->pad[1], layer->pad[0]},
                                             {layer->limits[0], layer->limits[1]}};
        const cmsis_nn_context context = {
            scratch, arm_avgpool_s8_get_buffer_size(layer->out[1], layer->in[2])};
        arm_avgpool_s8(&context, &params, &in, a, &filter, &out, to);
    } else {
        arm_softmax_s8(a, n[0], n[1], n[2], n[3], n[4], to);
    }
    *taken_ticks = ticks() - before;
    return 1;
}

static int run(FILE *in, FILE *out)
{
    int32_t head[4];
    if (fread(head, 4, 4, in) != 4 || head[0] > MAX_TENSORS) {
        return 3;
    }
    int32_t bytes[MAX_TENSORS];
    if (fread(bytes, 4, (size_t)head[0], in) != (size_t)head[0]) {
        return 3;
    }
    for (int32_t i = 0; i < head[0]; i++) {
        tensors[i] = i == head[2] ? read_block(in, bytes[i]) : taken(bytes[i]);
        if (tensors[i] == NULL) {
            return 4;
        }
    }
    uint32_t all = 0;
    for (int32_t i = 0; i < head[1]; i++) {
        struct layer layer;
        uint32_t counted = 0;
        int is_good = fread(&layer, sizeof layer, 1, in) == 1;
        if (is_good && layer.weights_bytes > 0) {
            const uint32_t kept = used;
            int8_t *weights = read_block(in, layer.weights_bytes);
            int32_t *tables = read_block(in, layer.channels * 12);
            is_good = weights != NULL && tables != NULL &&
                      weighted(&layer, weights, tables, tables + layer.channels,
                               tables + 2 * layer.channels, &counted);
            used = kept;
        } else if (is_good) {
            is_good = plain(&layer, &counted);
        }
        if (!is_good) {
            return 10 + (int)i;
        }
        all += counted;
    }
    const size_t size = (size_t)bytes[head[3]];
    return fwrite(&all, 4, 1, out) == 1 && fwrite(tensors[head[3]], 1, size, out) == size ? 0 : 3;
}

int main(int count, char **arguments)
{
    FILE *in = count == 3 ? fopen(arguments[1], "rb") : NULL;
    FILE *out = in != NULL ? fopen(arguments[2], "wb") : NULL;
    if (out == NULL) {
        return 2;
    }
    const int status = run(in, out);
    return fclose(out) == 0 ? status : 3;
}
