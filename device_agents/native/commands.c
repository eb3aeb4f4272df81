#include "commands.h"

#include <string.h>

#include "clock.h"
#include "device_facts.h"
#include "heap_text.h"
#include "hold.h"
#include "lease.h"
#include "lock.h"
#include "model_commands.h"
#include "sample.h"
#include "unpack.h"

#ifndef AGENT_VERSION /* edgeprune/agents/build.py says it */
#define AGENT_VERSION "compiled by hand"
#endif
enum { SHORTEST_PERIOD_NS = 1000000 };
#define LONGEST_PERIOD_NS INT64_C(10000000000)

static bool hello(struct call *call)
{
    text_raw(call->answer, ", \"agent_version\": \"" AGENT_VERSION "\", \"protocol\": 1, ");
    device_facts(call->answer);
    return true;
}

static bool unpack(struct call *call)
{
    uint64_t size = 0;
    if (!call_in_range(call, "max_bytes", 1, UINT32_MAX) ||
        !unpack_file(json_find(call->arguments, "packed")->string,
                     json_find(call->arguments, "target")->string,
                     (uint64_t)call_integer(call, "max_bytes"), &size, &call->failure)) {
        return false;
    }
    text_raw(call->answer, ", \"bytes\": ");
    text_integer(call->answer, (int64_t)size);
    return true;
}

static bool tell_clock(struct call *call)
{
    call_moment(call, ", \"now_ns\": ", now_ns());
    return true;
}

static bool start_sampling(struct call *call)
{
    struct sampling sampling = {
        .files = json_find(call->arguments, "files")->string,
        .command = json_find(call->arguments, "command")->string,
        .period_ns = call_integer(call, "period_ns"),
    };
    return call_in_range(call, "period_ns", SHORTEST_PERIOD_NS, LONGEST_PERIOD_NS) &&
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

static bool take_lease(struct call *call)
{
    return call_in_range(call, "epoch", 1, INT64_C(1) << 53) &&
           lease_device(json_find(call->arguments, "folder")->string,
                        call_integer(call, "epoch"), &call->failure);
}

static bool quit(struct call *call)
{
    call->ends = true;
    return true;
}

static const struct command COMMANDS[] = {
    {"hello", false, false, hello, {{0}}},
    {"load", false, false, load_model,
     {{"runtime", JSON_STRING}, {"model", JSON_STRING}, {"threads", JSON_INTEGER},
      {"cpus", JSON_LIST}, {"profile", JSON_BOOLEAN}, {0}}},
    {"infer", true, true, infer, {{"samples", JSON_INTEGER}, {0}}},
    {"time", false, true, time_runs,
     {{"warmup", JSON_INTEGER}, {"runs", JSON_INTEGER}, {"max_ns", JSON_INTEGER}, {0}}},
    {"profile", false, true, profile_model, {{"runs", JSON_INTEGER}, {0}}},
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
    {"lease", false, false, take_lease,
     {{"folder", JSON_STRING}, {"epoch", JSON_INTEGER}, {0}}},
    {"quit", false, false, quit, {{0}}},
};

const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof COMMANDS / sizeof COMMANDS[0]; i++) {
        if (strcmp(COMMANDS[i].name, name) == 0) {
            return &COMMANDS[i];
        }
    }
    return NULL;
}
