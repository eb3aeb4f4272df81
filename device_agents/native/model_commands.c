#include "model_commands.h"

#include <stdlib.h>

#include "clock.h"
#include "device_facts.h"
#include "profile.h"
#include "runtime.h"

enum { THREADS_LIMIT = 256, RUNS_LIMIT = 1000000, PROFILE_RUNS_LIMIT = 1000 };

static struct model model;
static bool is_loaded;

static void tensors(struct text *answer, const char *key, const struct tensor_list *list)
{
    text_raw(answer, key);
    for (size_t i = 0; i < list->count; i++) {
        const struct tensor *tensor = &list->tensors[i];
        text_raw(answer, i > 0 ? ", {\"name\": " : "{\"name\": ");
        text_string(answer, tensor->name);
        text_raw(answer, ", \"type\": ");
        text_string(answer, tensor->type);
        text_raw(answer, ", \"shape\": [");
        for (size_t k = 0; k < tensor->shape.layout.rank; k++) {
            text_raw(answer, k > 0 ? ", " : "");
            text_integer(answer, tensor->shape.layout.dimensions[k]);
        }
        text_raw(answer, "], \"bytes\": ");
        text_integer(answer, (int64_t)tensor->bytes);
        text_raw(answer, "}");
    }
    text_raw(answer, "]");
}

bool load_model(struct call *call)
{
    const struct json_member *cpus = json_find(call->arguments, "cpus");
    if (!call_in_range(call, "threads", 1, THREADS_LIMIT)) {
        return false;
    }
    const char *wrong = pin_to_cores(cpus->items, cpus->item_count);
    if (wrong != NULL) {
        return fail(&call->failure, "%s", wrong);
    }
    struct load_options options = {
        .runtime = json_find(call->arguments, "runtime")->string,
        .path = json_find(call->arguments, "model")->string,
        .threads = (int)call_integer(call, "threads"),
        .profile = call_integer(call, "profile") != 0,
    };
    int64_t start = now_ns();
    is_loaded = model_load(&model, &options, &call->failure);
    if (!is_loaded) {
        return false;
    }
    text_raw(call->answer, ", \"load_ns\": ");
    text_integer(call->answer, now_ns() - start);
    tensors(call->answer, ", \"inputs\": [", &model.inputs);
    tensors(call->answer, ", \"outputs\": [", &model.outputs);
    return true;
}

bool infer(struct call *call)
{
    int64_t limit = (int64_t)(FRAME_BLOB_LIMIT / (model.outputs.bytes + 1));
    if (!call_in_range(call, "samples", 1, limit)) {
        return false;
    }
    size_t samples = (size_t)call_integer(call, "samples");
    if (samples > FRAME_BLOB_LIMIT / (model.inputs.bytes + 1) ||
        samples * model.inputs.bytes != call->request->blob_bytes) {
        return fail(&call->failure, "blob has %zu bytes, must have %zu samples of %zu bytes",
                    call->request->blob_bytes, samples, model.inputs.bytes);
    }
    call->blob = malloc(samples * model.outputs.bytes + 1);
    if (call->blob == NULL) {
        return fail(&call->failure, "no memory for the outputs of %zu samples", samples);
    }
    for (size_t i = 0; i < samples; i++) {
        const unsigned char *input = call->request->blob + i * model.inputs.bytes;
        if (!model_set_inputs(&model, input, &call->failure) ||
            !model_run(&model, &call->failure) ||
            !model_get_outputs(&model, call->blob + i * model.outputs.bytes, &call->failure)) {
            return false;
        }
    }
    call->blob_bytes = samples * model.outputs.bytes;
    return true;
}

static void peak_memory(struct text *answer)
{
    int64_t peak = peak_memory_bytes();
    text_raw(answer, ", \"peak_memory_bytes\": ");
    if (peak < 0) {
        text_raw(answer, "null");
    } else {
        text_integer(answer, peak);
    }
}

static void latencies(struct text *answer, const int64_t *latency_ns, size_t done)
{
    text_raw(answer, ", \"first_ns\": ");
    text_integer(answer, model.first_ns);
    text_raw(answer, ", \"latency_ns\": [");
    for (size_t i = 0; i < done; i++) {
        text_raw(answer, i > 0 ? ", " : "");
        text_integer(answer, latency_ns[i]);
    }
    text_raw(answer, "]");
    peak_memory(answer);
}

bool time_runs(struct call *call)
{
    if (!call_in_range(call, "warmup", 0, RUNS_LIMIT) || !call_in_range(call, "runs", 1, RUNS_LIMIT) ||
        !call_in_range(call, "max_ns", 0, INT64_MAX)) {
        return false;
    }
    if (model.profiler != NULL) {
        return fail(&call->failure, "the model was loaded to be profiled, which costs time");
    }
    size_t runs = (size_t)call_integer(call, "runs");
    int64_t *latency_ns = malloc(runs * sizeof *latency_ns);
    if (latency_ns == NULL) {
        return fail(&call->failure, "no memory for %zu runs", runs);
    }
    bool good = model_default_inputs(&model, &call->failure);
    if (good && model.first_ns == 0) {
        good = model_run(&model, &call->failure);
    }
    for (int64_t i = 0; i < call_integer(call, "warmup") && good; i++) {
        good = model_run(&model, &call->failure);
    }
    size_t done = 0;
    int64_t begin = now_ns();
    good = good && model_time(&model, latency_ns, runs, call_integer(call, "max_ns"), &done,
                              &call->failure);
    if (good) {
        call_moment(call, ", \"begin_ns\": ", begin);
        call_moment(call, ", \"end_ns\": ", now_ns());
        latencies(call->answer, latency_ns, done);
    }
    free(latency_ns);
    return good;
}

bool profile_model(struct call *call)
{
    if (!call_in_range(call, "runs", 1, PROFILE_RUNS_LIMIT)) {
        return false;
    }
    if (model.profiler == NULL) {
        return fail(&call->failure, "the model was not loaded with profile: true");
    }
    return model_default_inputs(&model, &call->failure) &&
           profile_runs(&model, (size_t)call_integer(call, "runs"), call->answer, &call->failure);
}

bool tell_memory(struct call *call)
{
    peak_memory(call->answer);
    return true;
}

bool model_is_loaded(void)
{
    return is_loaded;
}
