#include "own_kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../kernels/convolution.h"
#include "../kernels/workers.h"

#define PREFIX "edgeprune.conv."

enum { NAME_BYTES = 32, LAYERS_LIMIT = 4096 };

struct layer {
    struct own_kernels *own;
    struct convolution convolution;
    void *tables;
    size_t batch;
    bool is_ready;
    const char *wrong; /* what went wrong, or NULL */
    char name[NAME_BYTES];
};

struct own_kernels {
    const struct litert_api *api;
    struct layer *layers;
    size_t count;
    struct workers *workers; /* NULL where one thread does all */
    unsigned char *scratch;  /* one for all layers: the runtime runs one after the other */
    size_t scratch_bytes;    /* of each thread */
};

static int refuse_layer(struct layer *layer, const char *why)
{
    layer->wrong = why;
    return LITERT_INVALID_ARGUMENT;
}

/* Scratch of each thread, in whole cache lines, so that none writes to another's. */
static bool make_room(struct own_kernels *own, const struct convolution *convolution)
{
    const size_t bytes = (convolution_scratch_bytes(convolution) + 63) / 64 * 64;
    if (own->scratch_bytes < bytes) {
        free(own->scratch);
        own->scratch = malloc(bytes * workers_count(own->workers));
        own->scratch_bytes = own->scratch != NULL ? bytes : 0;
    }
    return own->scratch != NULL;
}

static int init_layer(void *state, const void *options, size_t bytes)
{
    struct layer *layer = state;
    struct plan plan;
    const char *why = NULL;
    layer->is_ready = false;
    if (!plan_read(&plan, options, bytes, &why)) {
        return refuse_layer(layer, why);
    }
    free(layer->tables);
    layer->tables = malloc(convolution_table_bytes(&plan));
    if (layer->tables == NULL) {
        return refuse_layer(layer, "no memory for its sums");
    }
    layer->convolution.plan = plan;
    layer->is_ready = true;
    return 0;
}

/* Inputs that the plan is for; 0 where the layout is another one. */
static size_t batch_of(const struct plan *plan, const struct litert_layout *layout)
{
    uint64_t elements = 1;
    if (layout->rank == 0 || layout->rank > LITERT_MAX_RANK) {
        return 0;
    }
    for (size_t i = 0; i < layout->rank; i++) {
        if (layout->dimensions[i] <= 0 || elements > UINT32_MAX) {
            return 0;
        }
        elements *= (uint64_t)layout->dimensions[i];
    }
    if ((uint32_t)layout->dimensions[layout->rank - 1] != plan->in_channels) {
        return 0;
    }
    if (plan->kind != PLAN_CONV_2D) {
        return elements / plan->in_channels;
    }
    const bool is_map = layout->rank == 4 &&
                        (uint32_t)layout->dimensions[1] == plan->in_height &&
                        (uint32_t)layout->dimensions[2] == plan->in_width;
    return is_map ? (size_t)layout->dimensions[0] : 0;
}

static void set_output_layout(const struct plan *plan, size_t batch,
                              const struct litert_layout *input, struct litert_layout *output)
{
    *output = *input;
    output->has_strides = 0;
    if (plan->kind == PLAN_FULLY_CONNECTED) {
        output->rank = 2;
        output->dimensions[0] = (int32_t)batch;
    } else if (plan->kind == PLAN_CONV_2D) {
        output->dimensions[1] = (int32_t)plan->out_height;
        output->dimensions[2] = (int32_t)plan->out_width;
    }
    output->dimensions[output->rank - 1] = (int32_t)plan->out_channels;
}

static int shape_layer(void *state, size_t inputs, const struct litert_layout *input,
                       size_t outputs, struct litert_layout *output)
{
    struct layer *layer = state;
    if (!layer->is_ready || inputs != 1 || outputs != 1) {
        return refuse_layer(layer, layer->wrong != NULL ? layer->wrong
                                                        : "it has not one input and one output");
    }
    layer->batch = batch_of(&layer->convolution.plan, input);
    if (layer->batch == 0) {
        return refuse_layer(layer, "its input has not the shape that its plan is for");
    }
    const struct plan plan = layer->convolution.plan;
    if (!convolution_begin(&layer->convolution, &plan, best_kernel(), layer->batch,
                           layer->tables)) {
        return refuse_layer(layer, "its input is too large");
    }
    if (!make_room(layer->own, &layer->convolution)) {
        return refuse_layer(layer, "no memory for a tile of its input");
    }
    set_output_layout(&layer->convolution.plan, layer->batch, input, output);
    return 0;
}

/* A run of a layer, shared among threads. */
struct run {
    const struct layer *layer;
    const int8_t *from;
    int8_t *to;
    size_t shares;
};

/* More shares than threads where that costs nothing, as one may be slower or come later; elsewhere each
 * share packs the same tile. */
static size_t shares_of(const struct layer *layer)
{
    const struct layout *layout = &layer->convolution.layout;
    const size_t threads = workers_count(layer->own->workers);
    const size_t tiles = layout->images * layout->tiles;
    return threads == 1 ? 1 : tiles >= 8 * threads ? 4 * threads : threads;
}

static void run_share(void *context, size_t thread, size_t share)
{
    const struct run *run = context;
    const struct own_kernels *own = run->layer->own;
    const struct convolution *convolution = &run->layer->convolution;
    const size_t units = convolution_units(convolution), shares = run->shares;
    convolution_run(convolution, run->from, units * share / shares, units * (share + 1) / shares,
                    run->to, own->scratch + thread * own->scratch_bytes);
}

static int run_on(struct layer *layer, litert_buffer input, litert_buffer output)
{
    const struct litert_api *api = layer->own->api;
    size_t input_bytes = 0, output_bytes = 0;
    void *from = NULL, *to = NULL;
    if (api->GetTensorBufferPackedSize(input, &input_bytes) != 0 ||
        api->GetTensorBufferPackedSize(output, &output_bytes) != 0 ||
        !plan_fits(&layer->convolution.plan, layer->batch, input_bytes, output_bytes)) {
        return refuse_layer(layer, "its tensors are not as long as its plan says");
    }
    if (api->LockTensorBuffer(input, &from, LITERT_LOCK_READ) != 0) {
        return refuse_layer(layer, "its input cannot be read");
    }
    if (api->LockTensorBuffer(output, &to, LITERT_LOCK_WRITE) == 0) {
        struct run run = {layer, from, to, shares_of(layer)};
        workers_run(layer->own->workers, run.shares, run_share, &run);
        api->UnlockTensorBuffer(output);
    } else {
        refuse_layer(layer, "its output cannot be written");
    }
    api->UnlockTensorBuffer(input);
    return 0;
}

static int run_layer(void *state, size_t inputs, const litert_buffer *input, size_t outputs,
                     litert_buffer *output)
{
    struct layer *layer = state;
    if (!layer->is_ready || inputs != 1 || outputs != 1 || layer->batch == 0) {
        return refuse_layer(layer, layer->wrong != NULL ? layer->wrong : "it was never prepared");
    }
    return run_on(layer, input[0], output[0]);
}

static int destroy_layer(void *state)
{
    ((struct layer *)state)->is_ready = false;
    return 0;
}

static const struct litert_custom_op OPERATIONS = {init_layer, shape_layer, run_layer,
                                                   destroy_layer};

static bool is_own(const char *name)
{
    return name != NULL && strncmp(name, PREFIX, strlen(PREFIX)) == 0;
}

/* The name of an operator if it is one of ours, NULL for every other. */
static const char *own_name(const struct litert_api *api, litert_subgraph graph, size_t index)
{
    litert_op op = NULL;
    const char *name = NULL;
    int32_t code = 0;
    if (api->GetSubgraphOp(graph, index, &op) != 0 || api->GetOpCode(op, &code) != 0 ||
        code != LITERT_OP_CUSTOM || api->GetCustomCode(op, &name) != 0) {
        return NULL;
    }
    return is_own(name) ? name : NULL;
}

static bool add_layer(struct own_kernels *own, const char *name, litert_options options,
                      struct failure *failure)
{
    struct layer *layer = &own->layers[own->count];
    for (size_t i = 0; i < own->count; i++) {
        if (strcmp(own->layers[i].name, name) == 0) {
            return fail(failure, "two operators are called %s, whose plans differ", name);
        }
    }
    if (strlen(name) >= sizeof layer->name || own->count == LAYERS_LIMIT) {
        return fail(failure, "the name of an operator is too long, or there are more than %d",
                    LAYERS_LIMIT);
    }
    *layer = (struct layer){.own = own};
    memcpy(layer->name, name, strlen(name) + 1);
    own->count++;
    if (own->api->AddCustomOpKernelOption(options, layer->name, 1, &OPERATIONS, layer) != 0) {
        return fail(failure, "the runtime takes no kernel for %s", name);
    }
    return true;
}

bool own_kernels_register(struct own_kernels **own, const struct litert_api *api,
                          litert_subgraph graph, litert_options options, struct failure *failure)
{
    size_t count = 0, ours = 0;
    *own = NULL;
    if (api->GetNumSubgraphOps(graph, &count) != 0) {
        return fail(failure, "the model's operators cannot be counted");
    }
    for (size_t i = 0; i < count; i++) {
        ours += own_name(api, graph, i) != NULL;
    }
    if (ours == 0) {
        return true;
    }
    *own = calloc(1, sizeof **own);
    if (*own == NULL || ((*own)->layers = calloc(ours, sizeof *(*own)->layers)) == NULL) {
        return fail(failure, "no memory for the layers");
    }
    (*own)->api = api;
    for (size_t i = 0; i < count; i++) {
        const char *name = own_name(api, graph, i);
        if (name != NULL && !add_layer(*own, name, options, failure)) {
            return false;
        }
    }
    return true;
}

bool own_kernels_use_threads(struct own_kernels *own, int threads, struct failure *failure)
{
    if (own == NULL || threads <= 1) {
        return true;
    }
    own->workers = workers_start((size_t)threads);
    return own->workers != NULL || fail(failure, "no memory for %d threads", threads);
}

bool own_kernels_refused(const struct own_kernels *own, struct failure *failure)
{
    for (size_t i = 0; own != NULL && i < own->count; i++) {
        if (own->layers[i].wrong != NULL) {
            fail(failure, "the plan of %s is refused: %s", own->layers[i].name,
                 own->layers[i].wrong);
            return true;
        }
    }
    return false;
}

bool own_kernels_good(const struct own_kernels *own, struct failure *failure)
{
    for (size_t i = 0; own != NULL && i < own->count; i++) {
        if (!own->layers[i].is_ready && own->layers[i].wrong == NULL) {
            return fail(failure, "the runtime never read the plan of %s", own->layers[i].name);
        }
    }
    return !own_kernels_refused(own, failure);
}

size_t own_kernels_count(const struct own_kernels *own)
{
    return own == NULL ? 0 : own->count;
}

const char *own_kernels_tag(const char *tag, char *room, size_t bytes)
{
    if (!is_own(tag)) {
        return tag;
    }
    snprintf(room, bytes, "%.*s sparse int8 %s", NAME_BYTES, tag, best_kernel()->name);
    return room;
}

void own_kernels_free(struct own_kernels *own)
{
    if (own == NULL) {
        return;
    }
    for (size_t i = 0; i < own->count; i++) {
        free(own->layers[i].tables);
    }
    workers_end(own->workers);
    free(own->layers);
    free(own->scratch);
    free(own);
}
