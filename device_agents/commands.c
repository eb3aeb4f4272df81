#include "commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "device_facts.h"
#include "json.h"
#include "profile.h"
#include "runtime.h"
#include "text.h"

#define AGENT_VERSION "1"
enum { KEYS_LIMIT = 5, THREADS_LIMIT = 256 };
enum { RUNS_LIMIT = 1000000, PROFILE_RUNS_LIMIT = 1000 };

struct call {
    const struct json_object *arguments;
    const struct frame *request;
    struct text *answer; /* open object: a handler appends `, "key": value` */
    unsigned char *blob;
    size_t blob_bytes;
    struct failure failure;
};

struct key {
    const char *name; /* NULL after the last */
    enum json_kind kind;
};

struct command {
    const char *name;
    bool takes_blob;
    bool needs_model;
    bool (*handle)(struct call *call);
    struct key keys[KEYS_LIMIT + 1];
};

static struct model model;
static enum { NOT_LOADED, LOADED, LOAD_FAILED } state;

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
    if (state != NOT_LOADED) {
        return fail(&call->failure, "one process loads one model, and this one has tried already");
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
    state = LOAD_FAILED;
    if (!model_load(&model, &options, &call->failure)) {
        return false;
    }
    state = LOADED;
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

static void latencies(struct text *answer, const int64_t *latency_ns, size_t done)
{
    text_raw(answer, ", \"first_ns\": ");
    text_integer(answer, model.first_ns);
    text_raw(answer, ", \"latency_ns\": [");
    for (size_t i = 0; i < done; i++) {
        text_raw(answer, i > 0 ? ", " : "");
        text_integer(answer, latency_ns[i]);
    }
    text_raw(answer, "], \"peak_memory_bytes\": ");
    int64_t peak = peak_memory_bytes();
    if (peak < 0) {
        text_raw(answer, "null");
    } else {
        text_integer(answer, peak);
    }
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
    good = good && model_time(&model, latency_ns, runs, integer(call, "max_ns"), &done,
                              &call->failure);
    if (good) {
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

static bool quit(struct call *call)
{
    (void)call;
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
    {"quit", false, false, quit, {{0}}},
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof COMMANDS / sizeof COMMANDS[0]; i++) {
        if (strcmp(COMMANDS[i].name, name) == 0) {
            return &COMMANDS[i];
        }
    }
    return NULL;
}

/* Each key of the command is there with its type, and no other key is. */
static bool check_keys(struct call *call, const struct command *command)
{
    static const char *const KINDS[] = {"an integer", "a boolean", "a string",
                                        "a list of integers"};
    size_t known = 2; /* id and cmd */
    for (const struct key *key = command->keys; key->name != NULL; key++, known++) {
        const struct json_member *member = json_find(call->arguments, key->name);
        if (member == NULL || member->kind != key->kind) {
            return fail(&call->failure, "%s needs the key %s, %s", command->name, key->name,
                        KINDS[key->kind]);
        }
    }
    return call->arguments->member_count == known ||
           fail(&call->failure, "%s got a key that it does not know", command->name);
}

static bool dispatch(struct call *call, const struct command **command)
{
    const struct json_member *name = json_find(call->arguments, "cmd");
    if (name == NULL || name->kind != JSON_STRING) {
        return fail(&call->failure, "the request has no cmd");
    }
    *command = find_command(name->string);
    if (*command == NULL) {
        return fail(&call->failure, "no command is called %s", name->string);
    }
    if (!check_keys(call, *command)) {
        return false;
    }
    if (call->request->blob_bytes > 0 && !(*command)->takes_blob) {
        return fail(&call->failure, "%s takes no blob", (*command)->name);
    }
    if ((*command)->needs_model && state != LOADED) {
        return fail(&call->failure, "no model is loaded");
    }
    return (*command)->handle(call);
}

static bool parse_and_dispatch(struct call *call, struct json_object *arguments,
                               struct frame *request, const struct command **command)
{
    const char *wrong = json_parse(request->json, request->json_bytes, arguments);
    const struct json_member *id = json_find(arguments, "id");
    text_raw(call->answer, "{\"id\": ");
    if (id != NULL && id->kind == JSON_INTEGER) {
        text_integer(call->answer, id->integer);
    } else {
        text_raw(call->answer, "null");
        wrong = wrong != NULL ? wrong : "the request has no integer id";
    }
    return wrong == NULL ? dispatch(call, command) : fail(&call->failure, "%s", wrong);
}

bool serve(struct frame *request, int output)
{
    static struct json_object arguments;
    struct text answer = {0};
    struct call call = {.arguments = &arguments, .request = request, .answer = &answer};
    const struct command *command = NULL;
    char reason[512];
    capture_begin();
    bool good = parse_and_dispatch(&call, &arguments, request, &command);
    capture_end(reason, sizeof reason);
    if (good) {
        text_raw(&answer, ", \"ok\": true}");
    } else {
        size_t used = strlen(call.failure.text);
        if (reason[0] != '\0') {
            snprintf(call.failure.text + used, sizeof call.failure.text - used, ": %s", reason);
        }
        text_raw(&answer, ", \"ok\": false, \"error\": ");
        text_string(&answer, call.failure.text);
        text_raw(&answer, "}");
    }
    bool written = frame_write(output, answer.data, answer.bytes, good ? call.blob : NULL,
                               good ? call.blob_bytes : 0);
    text_free(&answer);
    free(call.blob);
    return written && !(good && command->handle == quit);
}
