/* Loading a model: its options and its tensors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "own_kernels.h"
#include "runtime.h"

#define TRY(function, ...)                                                                         \
    do {                                                                                           \
        if (!check(model->api.function(__VA_ARGS__), "LiteRt" #function, failure)) {               \
            return false;                                                                          \
        }                                                                                          \
    } while (0)

/* LiteRT's element types by name, as numpy and ml_dtypes spell them.
 * Source: litert/c/litert_model_types.h, LiteRtElementType. */
static const char *type_name(int element_type)
{
    static const char *const NAMES[] = {
        "none",     "float32", "int32",  "uint8",   "int64",    "string",     "bool",   "int16",
        "complex64", "int8",   "float16", "float64", "complex128", "uint64",  "resource", "variant",
        "uint32",   "uint16",  "int4",   "bfloat16", "int2",    "uint4",      "float8_e4m3fn",
        "float8_e5m2"};
    size_t count = sizeof NAMES / sizeof NAMES[0];
    return element_type >= 0 && (size_t)element_type < count ? NAMES[element_type] : "unknown";
}

static void free_list(struct model *model, struct tensor_list *list)
{
    for (size_t i = 0; list->buffers != NULL && i < list->count; i++) {
        if (list->buffers[i] != NULL) {
            model->api.DestroyTensorBuffer(list->buffers[i]);
        }
    }
    free(list->tensors);
    free(list->buffers);
    *list = (struct tensor_list){0};
}

/* Frees what a load made, complete or not; the runtime and its environment stay. */
static void free_model(struct model *model)
{
    free_list(model, &model->inputs);
    free_list(model, &model->outputs);
    if (model->compiled != NULL) {
        model->api.DestroyCompiledModel(model->compiled);
    }
    own_kernels_free(model->own);
    if (model->options != NULL) {
        model->api.DestroyOptions(model->options);
    }
    if (model->file != NULL) {
        model->api.DestroyModel(model->file);
    }
    model->compiled = NULL;
    model->own = NULL;
    model->options = NULL;
    model->file = NULL;
    model->profiler = NULL; /* belongs to the compiled model */
    model->first_ns = 0;
    model->inputs_set = false;
}

static bool add_option(struct model *model, const char *identifier, const char *toml,
                       struct failure *failure)
{
    litert_opaque_options opaque = NULL;
    char *payload = strdup(toml);
    if (payload == NULL) {
        die("no memory for an option");
    }
    TRY(CreateOpaqueOptions, identifier, payload, free, &opaque);
    TRY(AddOpaqueOptions, model->options, opaque);
    return true;
}

/* Options of releases 2.1.0 to 2.1.2, which are objects instead of text. */
static bool add_old_options(struct model *model, const struct load_options *load,
                            struct failure *failure)
{
    litert_opaque_options opaque = NULL;
    litert_cpu_options cpu = NULL;
    litert_runtime_options runtime = NULL;
    TRY(CreateCpuOptions, &opaque);
    TRY(FindCpuOptions, opaque, &cpu);
    TRY(SetCpuOptionsNumThread, cpu, load->threads);
    TRY(AddOpaqueOptions, model->options, opaque);
    TRY(CreateRuntimeOptions, &opaque);
    TRY(FindRuntimeOptions, opaque, &runtime);
    TRY(SetRuntimeOptionsEnableProfiling, runtime, load->profile);
    TRY(AddOpaqueOptions, model->options, opaque);
    return true;
}

static bool add_options(struct model *model, const struct load_options *load,
                        struct failure *failure)
{
    char threads[40];
    snprintf(threads, sizeof threads, "num_threads = %d\n", load->threads);
    if (model->api.CreateCpuOptions != NULL) {
        return add_old_options(model, load, failure);
    }
    return add_option(model, "xnnpack", threads, failure) &&
           (!load->profile || add_option(model, "runtime_options_string",
                                         "enable_profiling = true\n", failure));
}

static bool compile(struct model *model, const struct load_options *load, litert_subgraph graph,
                    struct failure *failure)
{
    TRY(CreateOptions, &model->options);
    TRY(SetOptionsHardwareAccelerators, model->options, LITERT_ACCELERATOR_CPU);
    if (!add_options(model, load, failure) ||
        !own_kernels_register(&model->own, &model->api, graph, model->options, failure) ||
        !own_kernels_use_threads(model->own, load->threads, failure)) {
        return false;
    }
    TRY(CreateCompiledModel, model->environment, model->file, model->options, &model->compiled);
    if (load->profile) {
        TRY(CompiledModelGetProfiler, model->compiled, &model->profiler);
    }
    return true;
}

/* Makes room for the tensors of a graph. A run takes a buffer per tensor of the graph by its name
 * in the signature, and the runtime crashes where the signature leaves one out. */
static bool make_list(struct tensor_list *list, size_t in_graph, size_t in_signature,
                      const char *what, struct failure *failure)
{
    if (in_graph != in_signature) {
        return fail(failure, "the model's signature names %zu of its %zu %s", in_signature,
                    in_graph, what);
    }
    list->count = in_graph;
    list->tensors = calloc(in_graph + 1, sizeof *list->tensors);
    list->buffers = calloc(in_graph + 1, sizeof *list->buffers);
    if (list->tensors == NULL || list->buffers == NULL) {
        die("no memory for the tensors");
    }
    return true;
}

static bool describe(struct model *model, litert_tensor handle, struct tensor *tensor,
                     struct failure *failure)
{
    TRY(GetTensorName, handle, &tensor->name);
    TRY(GetRankedTensorType, handle, &tensor->shape);
    tensor->type = type_name(tensor->shape.element_type);
    if (tensor->shape.element_type == LITERT_STRING) {
        return fail(failure, "tensor %s holds strings, which have no fixed size", tensor->name);
    }
    return true;
}

static bool create_buffer(struct model *model, litert_requirements requirements,
                          struct tensor_list *list, size_t index, struct failure *failure)
{
    struct tensor *tensor = &list->tensors[index];
    TRY(CreateManagedTensorBufferFromRequirements, model->environment, &tensor->shape,
        requirements, &list->buffers[index]);
    TRY(GetTensorBufferPackedSize, list->buffers[index], &tensor->bytes);
    list->bytes += tensor->bytes;
    return true;
}

/* Sets unknown dimensions to 1; the runtime would refuse to run the model otherwise. */
static bool fix_shape(struct model *model, size_t index, bool *resized, struct failure *failure)
{
    struct litert_layout *layout = &model->inputs.tensors[index].shape.layout;
    bool unknown = false;
    for (size_t i = 0; i < layout->rank; i++) {
        if (layout->dimensions[i] < 0) {
            layout->dimensions[i] = 1;
            unknown = true;
        }
    }
    if (unknown) {
        TRY(CompiledModelResizeInputTensor, model->compiled, 0, index, layout->dimensions,
            layout->rank);
        *resized = true;
    }
    return true;
}

static bool read_inputs(struct model *model, litert_signature signature, litert_subgraph graph,
                        bool *resized, struct failure *failure)
{
    size_t count = 0;
    size_t named = 0;
    TRY(GetNumSubgraphInputs, graph, &count);
    TRY(GetNumSignatureInputs, signature, &named);
    if (!make_list(&model->inputs, count, named, "inputs", failure)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        litert_tensor handle = NULL;
        TRY(GetSubgraphInput, graph, i, &handle);
        if (!describe(model, handle, &model->inputs.tensors[i], failure) ||
            !fix_shape(model, i, resized, failure)) {
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) { /* once all shapes are known */
        litert_requirements requirements = NULL;
        TRY(GetCompiledModelInputBufferRequirements, model->compiled, 0, i, &requirements);
        if (!create_buffer(model, requirements, &model->inputs, i, failure)) {
            return false;
        }
    }
    return true;
}

static bool read_outputs(struct model *model, litert_signature signature, litert_subgraph graph,
                         bool resized, struct failure *failure)
{
    size_t count = 0;
    size_t named = 0;
    TRY(GetNumSubgraphOutputs, graph, &count);
    TRY(GetNumSignatureOutputs, signature, &named);
    if (!make_list(&model->outputs, count, named, "outputs", failure)) {
        return false;
    }
    struct litert_layout *layouts = calloc(count + 1, sizeof *layouts);
    if (layouts == NULL) {
        die("no memory for the outputs");
    }
    bool known = check(model->api.GetCompiledModelOutputTensorLayouts(model->compiled, 0, count,
                                                                      layouts, resized),
                       "LiteRtGetCompiledModelOutputTensorLayouts", failure);
    for (size_t i = 0; i < count && known; i++) {
        litert_tensor handle = NULL;
        litert_requirements requirements = NULL;
        struct tensor *tensor = &model->outputs.tensors[i];
        known = check(model->api.GetSubgraphOutput(graph, i, &handle), "LiteRtGetSubgraphOutput",
                      failure) &&
                describe(model, handle, tensor, failure);
        if (known) {
            tensor->shape.layout = layouts[i];
            known = check(model->api.GetCompiledModelOutputBufferRequirements(
                              model->compiled, 0, i, &requirements),
                          "LiteRtGetCompiledModelOutputBufferRequirements", failure) &&
                    create_buffer(model, requirements, &model->outputs, i, failure);
        }
    }
    free(layouts);
    return known;
}

static bool read_file(struct model *model, const char *path, struct failure *failure)
{
    if (model->api.CreateModelFromFileAlone != NULL) {
        TRY(CreateModelFromFileAlone, path, &model->file);
    } else {
        TRY(CreateModelFromFile, model->environment, path, &model->file);
    }
    return true;
}

bool model_load(struct model *model, const struct load_options *load, struct failure *failure)
{
    litert_signature signature = NULL;
    litert_subgraph graph = NULL;
    bool resized = false;
    if (access(load->path, R_OK) != 0) {
        return fail(failure, "model %s cannot be read", load->path);
    }
    if (!runtime_open(model, load->runtime, failure)) {
        return false;
    }
    free_model(model);
    if (!read_file(model, load->path, failure)) {
        return false;
    }
    /* The runtime makes a signature up if the file has none. */
    TRY(GetModelSignature, model->file, 0, &signature);
    TRY(GetSignatureSubgraph, signature, &graph);
    if (compile(model, load, graph, failure) &&
        read_inputs(model, signature, graph, &resized, failure) &&
        /* Plans are held against shapes where the runtime lays out memory: now, not in a run. */
        read_outputs(model, signature, graph, resized || model->own != NULL, failure)) {
        return own_kernels_good(model->own, failure);
    }
    own_kernels_refused(model->own, failure);
    return false;
}
