#include "profile.h"

#include <stdlib.h>
#include <string.h>

#include "../portable/frame_header.h"
#include "heap_text.h"
#include "own_kernels.h"

enum { TAGS_LIMIT = 4096, TAG_BYTES = 80 };

struct tags {
    char *names[TAGS_LIMIT];
    size_t count;
};

/* Number of the tag, which is entered if it is new; TAGS_LIMIT if there is no room. */
static size_t tag_index(struct tags *tags, const char *name)
{
    for (size_t i = 0; i < tags->count; i++) {
        if (strcmp(tags->names[i], name) == 0) {
            return i;
        }
    }
    if (tags->count == TAGS_LIMIT) {
        return TAGS_LIMIT;
    }
    tags->names[tags->count] = strdup(name);
    if (tags->names[tags->count] == NULL) {
        die("no memory for the profile");
    }
    return tags->count++;
}

static void forget(struct tags *tags)
{
    while (tags->count > 0) {
        free(tags->names[--tags->count]);
    }
}

/* 0 the runtime itself, 1 an operator of the interpreter, 2 a delegate or one of its kernels. */
static int64_t source_of(const struct litert_event *event)
{
    if ((event->event_type & (LITERT_EVENT_DELEGATE | LITERT_EVENT_DELEGATE_KERNEL)) != 0) {
        return 2;
    }
    return (event->event_type & LITERT_EVENT_OPERATOR) != 0 ? 1 : 0;
}

/* Appends `[[tag, source, elapsed_us], ...]`, without telemetry, which is no part of a run. */
static bool append_events(const struct litert_event *events, int count, struct tags *tags,
                          struct text *answer, struct failure *failure)
{
    const char *comma = "[";
    text_raw(answer, "[");
    for (int i = 0; i < count; i++) {
        if (events[i].event_type >= LITERT_EVENT_TELEMETRY) {
            continue;
        }
        char own[TAG_BYTES];
        const char *name = events[i].tag != NULL ? events[i].tag : "";
        size_t tag = tag_index(tags, own_kernels_tag(name, own, sizeof own));
        if (tag == TAGS_LIMIT) {
            return fail(failure, "the profile names more than %d kernels", TAGS_LIMIT);
        }
        text_raw(answer, comma);
        comma = ", [";
        text_integer(answer, (int64_t)tag);
        text_raw(answer, ", ");
        text_integer(answer, source_of(&events[i]));
        text_raw(answer, ", ");
        text_integer(answer, (int64_t)events[i].elapsed_us);
        text_raw(answer, "]");
    }
    text_raw(answer, "]");
    return true;
}

static bool profile_once(struct model *model, struct tags *tags, struct text *answer,
                         struct failure *failure)
{
    const struct litert_api *api = &model->api;
    int count = 0;
    if (!check(api->ResetProfiler(model->profiler), "LiteRtResetProfiler", failure) ||
        !check(api->StartProfiler(model->profiler), "LiteRtStartProfiler", failure) ||
        !model_run(model, failure) ||
        !check(api->StopProfiler(model->profiler), "LiteRtStopProfiler", failure) ||
        !check(api->GetNumProfilerEvents(model->profiler, &count), "LiteRtGetNumProfilerEvents",
               failure)) {
        return false;
    }
    if (count <= 0) {
        return fail(failure, "the profiler of the runtime saw nothing");
    }
    struct litert_event *events = calloc((size_t)count, sizeof *events);
    if (events == NULL) {
        die("no memory for the profile");
    }
    bool good = check(api->GetProfilerEvents(model->profiler, count, events),
                      "LiteRtGetProfilerEvents", failure) &&
                append_events(events, count, tags, answer, failure);
    free(events);
    return good;
}

bool profile_runs(struct model *model, size_t runs, struct text *answer, struct failure *failure)
{
    static struct tags tags;
    struct text events = {.grow = heap_grow};
    forget(&tags);
    /* The first inference of a model does work that no later one does. */
    bool good = model->first_ns != 0 || model_run(model, failure);
    for (size_t i = 0; i < runs && good; i++) {
        text_raw(&events, i > 0 ? ", " : "");
        good = profile_once(model, &tags, &events, failure);
    }
    if (good && events.bytes < FRAME_JSON_LIMIT / 2) {
        text_raw(answer, ", \"tags\": [");
        for (size_t i = 0; i < tags.count; i++) {
            text_raw(answer, i > 0 ? ", " : "");
            text_string(answer, tags.names[i]);
        }
        text_raw(answer, "], \"events\": [");
        text_append(answer, &events);
        text_raw(answer, "]");
    } else if (good) {
        good = fail(failure, "the profile of %zu runs is too long: ask for fewer", runs);
    }
    heap_free(&events);
    return good;
}
