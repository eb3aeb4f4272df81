#include "serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "commands.h"
#include "heap_text.h"
#include "lease.h"
#include "model_commands.h"

enum { ITEMS_LIMIT = 1024 }; /* of all lists of a request together */

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

static bool dispatch(struct call *call)
{
    const struct json_member *name = json_find(call->arguments, "cmd");
    const struct command *command = NULL;
    if (name == NULL || name->kind != JSON_STRING) {
        return fail(&call->failure, "the request has no cmd");
    }
    command = find_command(name->string);
    if (command == NULL) {
        return fail(&call->failure, "no command is called %s", name->string);
    }
    if (!check_keys(call, command)) {
        return false;
    }
    if (call->request->blob_bytes > 0 && !command->takes_blob) {
        return fail(&call->failure, "%s takes no blob", command->name);
    }
    if (command->needs_model && !model_is_loaded()) {
        return fail(&call->failure, "no model is loaded");
    }
    return command->handle(call);
}

static bool parse_and_dispatch(struct call *call, struct json_object *arguments,
                               struct frame *request)
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
    call->head_bytes = call->answer->bytes;
    return wrong == NULL ? dispatch(call) : fail(&call->failure, "%s", wrong);
}

static bool answer_fits(struct call *call)
{
    return frame_fits(call->answer->bytes, call->blob_bytes) ||
           fail(&call->failure,
                "the answer has %zu bytes of JSON and %zu of data; at most %zu and %zu can be sent",
                call->answer->bytes, call->blob_bytes, FRAME_JSON_LIMIT, FRAME_BLOB_LIMIT);
}

/* Answers with what went wrong and the runtime's own `reason`, if any, on one line. */
static void refuse(struct call *call, const char *reason)
{
    call->answer->bytes = call->head_bytes;
    call->blob_bytes = 0;
    char *text = call->failure.text;
    size_t used = strlen(text);
    if (reason[0] != '\0') {
        snprintf(text + used, sizeof call->failure.text - used, ": %s", reason);
    }
    for (char *at = text; *at != '\0'; at++) {
        *at = (unsigned char)*at < 0x20 ? ' ' : *at;
    }
    text_raw(call->answer, ", \"ok\": false, \"error\": ");
    text_string(call->answer, text);
    text_raw(call->answer, "}");
}

bool serve(const struct frame *frame, int output)
{
    static int64_t items[ITEMS_LIMIT];
    static struct json_object arguments = {.items = items, .item_room = ITEMS_LIMIT};
    static struct frame request;
    static struct text answer = {.grow = heap_grow};
    static struct call call;
    char reason[512];
    frame_free(&request);
    free(call.blob);
    request = *frame;
    answer.bytes = 0;
    call = (struct call){.arguments = &arguments, .request = &request, .answer = &answer};
    capture_begin();
    bool good = parse_and_dispatch(&call, &arguments, &request);
    capture_end(reason, sizeof reason);
    text_raw(&answer, ", \"ok\": true}");
    if (good && !lease_holds(&call.failure)) {
        good = false;
        call.ends = true; /* somebody else has the device */
    }
    if (!good || !answer_fits(&call)) {
        refuse(&call, reason);
    }
    bool written = frame_write(output, answer.data, answer.bytes, call.blob, call.blob_bytes);
    return written && !call.ends;
}
