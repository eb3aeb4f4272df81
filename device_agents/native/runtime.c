#include "runtime.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "own_kernels.h"

/* The library does not export LiteRtGetStatusString, so the names stand here.
 * Source: litert/c/litert_common.h, LiteRtStatus. */
static const char *status_name(int status)
{
    static const struct {
        int status;
        const char *name;
    } NAMES[] = {
        {1, "invalid argument"},     {2, "out of memory"},         {3, "runtime failure"},
        {4, "missing input tensor"}, {5, "unsupported"},           {6, "not found"},
        {7, "timeout"},              {8, "wrong version"},         {9, "unknown error"},
        {10, "already exists"},      {100, "cancelled"},           {500, "file cannot be read"},
        {501, "invalid flatbuffer"}, {502, "dynamic loading"},     {503, "serialization"},
        {504, "compilation"},        {1000, "index out of bounds"}, {1001, "invalid IR type"},
        {1002, "invalid graph"},     {4000, "unsupported runtime version"},
    };
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (NAMES[i].status == status) {
            return NAMES[i].name;
        }
    }
    return "status";
}

bool check(int status, const char *what, struct failure *failure)
{
    return status == 0 || fail(failure, "%s: %s (%d)", what, status_name(status), status);
}

/* Calls a function of the runtime and leaves the calling function if it fails. */
#define TRY(function, ...)                                                                         \
    do {                                                                                           \
        if (!check(model->api.function(__VA_ARGS__), "LiteRt" #function, failure)) {               \
            return false;                                                                          \
        }                                                                                          \
    } while (0)

bool model_run(struct model *model, struct failure *failure)
{
    int64_t start = now_ns();
    TRY(RunCompiledModel, model->compiled, 0, model->inputs.count, model->inputs.buffers,
        model->outputs.count, model->outputs.buffers);
    if (model->first_ns == 0) {
        model->first_ns = now_ns() - start;
    }
    return own_kernels_good(model->own, failure);
}

bool model_time(struct model *model, int64_t *latency_ns, size_t runs, int64_t max_ns,
                size_t *done, struct failure *failure)
{
    /* Everything is a local and the array's pages exist, so that between the two clock readings
     * there is nothing but the inference. */
    int (*run)(litert_compiled_model, size_t, size_t, litert_buffer *, size_t, litert_buffer *) =
        model->api.RunCompiledModel;
    litert_compiled_model compiled = model->compiled;
    struct tensor_list inputs = model->inputs;
    struct tensor_list outputs = model->outputs;
    memset(latency_ns, 0, runs * sizeof *latency_ns);
    int64_t begin = now_ns();
    for (*done = 0; *done < runs; ++*done) {
        int64_t start = now_ns();
        int status = run(compiled, 0, inputs.count, inputs.buffers, outputs.count, outputs.buffers);
        int64_t end = now_ns();
        if (status != 0) {
            return check(status, "LiteRtRunCompiledModel", failure);
        }
        latency_ns[*done] = end - start;
        if (max_ns > 0 && end - begin >= max_ns) {
            ++*done;
            break;
        }
    }
    return own_kernels_good(model->own, failure);
}

static bool copy_in(struct model *model, size_t input, const void *source, struct failure *failure)
{
    void *memory = NULL;
    TRY(LockTensorBuffer, model->inputs.buffers[input], &memory, LITERT_LOCK_WRITE);
    memcpy(memory, source, model->inputs.tensors[input].bytes);
    TRY(UnlockTensorBuffer, model->inputs.buffers[input]);
    return true;
}

bool model_set_inputs(struct model *model, const unsigned char *blob, struct failure *failure)
{
    for (size_t i = 0; i < model->inputs.count; i++) {
        if (!copy_in(model, i, blob, failure)) {
            return false;
        }
        blob += model->inputs.tensors[i].bytes;
    }
    model->inputs_set = true;
    return true;
}

bool model_get_outputs(struct model *model, unsigned char *blob, struct failure *failure)
{
    for (size_t i = 0; i < model->outputs.count; i++) {
        void *memory = NULL;
        TRY(LockTensorBuffer, model->outputs.buffers[i], &memory, LITERT_LOCK_READ);
        memcpy(blob, memory, model->outputs.tensors[i].bytes);
        TRY(UnlockTensorBuffer, model->outputs.buffers[i]);
        blob += model->outputs.tensors[i].bytes;
    }
    return true;
}

/* Fills `bytes` bytes with values that any model may be given: floats in [0, 1), any 8- or 16-bit
 * integer, and zeros for wider integers and booleans, which may be indices or flags.
 * Source of the generator's constants: Numerical Recipes, 3rd edition, section 7.1.7. */
static void fill_pattern(unsigned char *memory, size_t bytes, int element_type)
{
    uint32_t state = 1;
    memset(memory, 0, bytes);
    size_t step = element_type == LITERT_FLOAT64 ? 8 : element_type == LITERT_FLOAT32 ? 4 : 1;
    if (element_type == LITERT_FLOAT16 || element_type == LITERT_INT16) {
        step = 2;
    }
    for (size_t i = 0; i + step <= bytes; i += step) {
        state = state * 1664525u + 1013904223u;
        float as_float = (float)(state >> 8) / 16777216.0f;
        double as_double = as_float;
        /* sign 0 and exponent 14: a half float in [0.5, 1) */
        uint16_t as_half = (uint16_t)(0x3800u | (state >> 22));
        uint16_t as_short = (uint16_t)(state >> 16);
        switch (element_type) {
        case LITERT_FLOAT32: memcpy(memory + i, &as_float, 4); break;
        case LITERT_FLOAT64: memcpy(memory + i, &as_double, 8); break;
        case LITERT_FLOAT16: memcpy(memory + i, &as_half, 2); break;
        case LITERT_INT16: memcpy(memory + i, &as_short, 2); break;
        case LITERT_INT8:
        case LITERT_UINT8: memory[i] = (unsigned char)(state >> 24); break;
        default: break;
        }
    }
}

bool model_default_inputs(struct model *model, struct failure *failure)
{
    for (size_t i = 0; i < model->inputs.count && !model->inputs_set; i++) {
        const struct tensor *tensor = &model->inputs.tensors[i];
        unsigned char *pattern = malloc(tensor->bytes + 1);
        if (pattern == NULL) {
            die("no memory for the inputs");
        }
        fill_pattern(pattern, tensor->bytes, tensor->shape.element_type);
        bool copied = copy_in(model, i, pattern, failure);
        free(pattern);
        if (!copied) {
            return false;
        }
    }
    model->inputs_set = true;
    return true;
}
