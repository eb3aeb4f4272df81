#include "commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "device_facts.h"
#include "heap_text.h"
#include "hold.h"
#include "lock.h"
#include "profile.h"
#include "runtime.h"
#include "sample.h"
#include "unpack.h"

#ifndef AGENT_VERSION /* edgeprune/agents/build.py says it */
#define AGENT_VERSION "compiled by hand"
#endif
enum { THREADS_LIMIT = 256, RUNS_LIMIT = 1000000, PROFILE_RUNS_LIMIT = 1000 };
enum { SHORTEST_PERIOD_NS = 1000000 };
#define LONGEST_PERIOD_NS INT64_C(10000000000)

static struct model model;
static bool is_loaded;

static int64_t integer(const struct call *call, const char *key)
{
    return json_find(call->arguments, key)->integer;
}

static bool in_range(struct call *call, const char *key, int64_t low, int64_t high)
{
    int64_t value = integer(call, key);
    return (value >= low && value <= high) ||
           fail(&call->failure, "%s is %lld, must be %lld to %lld", key, (long long)value,
                (long long)low, (long long)high);
}

static bool hello(struct call *call)
{
    text_raw(call->answer, ", \"agent_version\": \"" AGENT_VERSION "\", \"protocol\": 1, ");
    device_facts(call->answer);
    return true;
}

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

static bool load(struct call *call)
{
    const struct json_member *cpus = json_find(call->arguments, "cpus");
    if (!in_range(call, "threads", 1, THREADS_LIMIT)) {
        return false;
    }
    const char *wrong = pin_to_cores(cpus->items, cpus->item_count);
    if (wrong != NULL) {
        return fail(&call->failure, "%s", wrong);
    }
    struct load_options options = {
        .runtime = json_find(call->arguments, "runtime")->string,
        .path = json_find(call->arguments, "model")->string,
        .threads = (int)integer(call, "threads"),
        .profile = integer(call, "profile") != 0,
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

static bool infer(struct call *call)
{
    int64_t limit = (int64_t)(FRAME_BLOB_LIMIT / (model.outputs.bytes + 1));
    if (!in_range(call, "samples", 1, limit)) {
        return false;
    }
    size_t samples = (size_t)integer(call, "samples");
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

static void moment(struct call *call, const char *key, int64_t ns)
{
    text_raw(call->answer, key);
    text_integer(call->answer, ns);
}

static bool time_runs(struct call *call)
{
    if (!in_range(call, "warmup", 0, RUNS_LIMIT) || !in_range(call, "runs", 1, RUNS_LIMIT) ||
        !in_range(call, "max_ns", 0, INT64_MAX)) {
        return false;
    }
    if (model.profiler != NULL) {
        return fail(&call->failure, "the model was loaded to be profiled, which costs time");
    }
    size_t runs = (size_t)integer(call, "runs");
    int64_t *latency_ns = malloc(runs * sizeof *latency_ns);
    if (latency_ns == NULL) {
        return fail(&call->failure, "no memory for %zu runs", runs);
    }
    bool good = model_default_inputs(&model, &call->failure);
    if (good && model.first_ns == 0) {
        good = model_run(&model, &call->failure);
    }
    for (int64_t i = 0; i < integer(call, "warmup") && good; i++) {
        good = model_run(&model, &call->failure);
    }
    size_t done = 0;
    int64_t begin = now_ns();
    good = good && model_time(&model, latency_ns, runs, integer(call, "max_ns"), &done,
                              &call->failure);
    if (good) {
        moment(call, ", \"begin_ns\": ", begin);
        moment(call, ", \"end_ns\": ", now_ns());
        latencies(call->answer, latency_ns, done);
    }
    free(latency_ns);
    return good;
}

static bool profile(struct call *call)
{
    if (!in_range(call, "runs", 1, PROFILE_RUNS_LIMIT)) {
        return false;
    }
    if (model.profiler == NULL) {
        return fail(&call->failure, "the model was not loaded with profile: true");
    }
    return model_default_inputs(&model, &call->failure) &&
           profile_runs(&model, (size_t)integer(call, "runs"), call->answer, &call->failure);
}

static bool unpack(struct call *call)
{
    uint64_t size = 0;
    if (!in_range(call, "max_bytes", 1, UINT32_MAX) ||
        !unpack_file(json_find(call->arguments, "packed")->string,
                     json_find(call->arguments, "target")->string,
                     (uint64_t)integer(call, "max_bytes"), &size, &call->failure)) {
        return false;
    }
    text_raw(call->answer, ", \"bytes\": ");
    text_integer(call->answer, (int64_t)size);
    return true;
}

static bool tell_clock(struct call *call)
{
    moment(call, ", \"now_ns\": ", now_ns());
    return true;
}

static bool start_sampling(struct call *call)
{
    struct sampling sampling = {
        .files = json_find(call->arguments, "files")->string,
        .command = json_find(call->arguments, "command")->string,
        .period_ns = integer(call, "period_ns"),
    };
    return in_range(call, "period_ns", SHORTEST_PERIOD_NS, LONGEST_PERIOD_NS) &&
           sample_start(&sampling, &call->failure);
}

static bool stop_sampling(struct call *call)
{
    return sample_stop(&call->blob, &call->blob_bytes, &call->failure);
}

static bool hold_settings(struct call *call)
{
    struct text before = {.grow = heap_grow};
    bool good = hold(json_find(call->arguments, "settings")->string, &before, &call->failure);
    if (good) {
        text_raw(call->answer, ", \"before\": ");
        text_string(call->answer, before.data);
    }
    heap_free(&before);
    return good;
}

static bool release_settings(struct call *call)
{
    struct text not_restored = {.grow = heap_grow};
    bool good = release(&not_restored, &call->failure);
    if (good) {
        text_raw(call->answer, ", \"not_restored\": ");
        text_string(call->answer, not_restored.data);
    }
    heap_free(&not_restored);
    return good;
}

static bool take_lock(struct call *call)
{
    bool held = false;
    char others[LOCK_HOLDER_BYTES];
    if (!lock_device(json_find(call->arguments, "folder")->string,
                     json_find(call->arguments, "holder")->string, &held, others,
                     &call->failure)) {
        return false;
    }
    text_raw(call->answer, held ? ", \"held\": true" : ", \"held\": false");
    text_raw(call->answer, ", \"others\": ");
    text_string(call->answer, others);
    return true;
}

static bool tell_memory(struct call *call)
{
    peak_memory(call->answer);
    return true;
}

static bool quit(struct call *call)
{
    call->ends = true;
    return true;
}

static const struct command COMMANDS[] = {
    {"hello", false, false, hello, {{0}}},
    {"load", false, false, load,
     {{"runtime", JSON_STRING}, {"model", JSON_STRING}, {"threads", JSON_INTEGER},
      {"cpus", JSON_LIST}, {"profile", JSON_BOOLEAN}, {0}}},
    {"infer", true, true, infer, {{"samples", JSON_INTEGER}, {0}}},
    {"time", false, true, time_runs,
     {{"warmup", JSON_INTEGER}, {"runs", JSON_INTEGER}, {"max_ns", JSON_INTEGER}, {0}}},
    {"profile", false, true, profile, {{"runs", JSON_INTEGER}, {0}}},
    {"unpack", false, false, unpack,
     {{"packed", JSON_STRING}, {"target", JSON_STRING}, {"max_bytes", JSON_INTEGER}, {0}}},
    {"clock", false, false, tell_clock, {{0}}},
    {"sample_start", false, false, start_sampling,
     {{"files", JSON_STRING}, {"command", JSON_STRING}, {"period_ns", JSON_INTEGER}, {0}}},
    {"sample_stop", false, false, stop_sampling, {{0}}},
    {"memory", false, false, tell_memory, {{0}}},
    {"hold", false, false, hold_settings, {{"settings", JSON_STRING}, {0}}},
    {"release", false, false, release_settings, {{0}}},
    {"lock", false, false, take_lock,
     {{"folder", JSON_STRING}, {"holder", JSON_STRING}, {0}}},
    {"quit", false, false, quit, {{0}}},
};

bool model_is_loaded(void)
{
    return is_loaded;
}

const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof COMMANDS / sizeof COMMANDS[0]; i++) {
        if (strcmp(COMMANDS[i].name, name) == 0) {
            return &COMMANDS[i];
        }
    }
    return NULL;
}
