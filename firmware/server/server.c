#include "edgeprune/server.h"

#include "commands.h"
#include "edgeprune/port.h"

static void begin_answer(struct server *server, int64_t id, bool is_ok)
{
    server->answer = (struct text){server->answer_json, 0, sizeof server->answer_json, NULL, false};
    text_raw(&server->answer, "{\"id\":");
    text_integer(&server->answer, id);
    text_raw(&server->answer, is_ok ? ",\"ok\":true" : ",\"ok\":false");
}

static void refuse(struct server *server, int64_t id, const char *wrong)
{
    begin_answer(server, id, false);
    text_raw(&server->answer, ",\"error\":");
    text_string(&server->answer, wrong);
    text_raw(&server->answer, "}");
    server->answer_blob_bytes = 0;
}

static void answer_frame(struct server *server)
{
    struct json_object request = {.items = NULL, .item_room = 0};
    const struct json_member *id = NULL;
    int64_t number = 0;
    const char *wrong = json_parse(server->line.json, server->line.json_bytes, &request);
    server->answer_blob_bytes = 0;
    id = json_find(&request, "id");
    if (id != NULL && id->kind == JSON_INTEGER) {
        number = id->integer;
    } else if (wrong == NULL) {
        wrong = "the request has no id";
    }
    begin_answer(server, number, true);
    if (wrong == NULL) {
        wrong = command_run(server, &request);
    }
    text_raw(&server->answer, "}");
    if (wrong == NULL && server->answer.is_cut) {
        wrong = "the answer does not fit into one frame";
    }
    if (wrong != NULL) {
        refuse(server, number, wrong);
    }
    line_write(&server->answer, server->line.blob, server->answer_blob_bytes);
}

/* Says that requests are heard from now on, as MLPerf Tiny's reference does. */
static void greet(void)
{
    static const char GREETING[] = "m-init-done\r\nm-ready\r\n";
    ep_port_write(GREETING, sizeof GREETING - 1);
}

void ep_serve(void)
{
    static struct server server;
    server.is_loaded = server.is_ending = false;
    server.line.is_junk = server.line.has_ahead = false;
    server.loaded = (struct loaded){0, 0, 0};
    server.epoch = 0;
    slots_open(&server.slots, &server.engine);
    greet();
    while (!server.is_ending) {
        if (line_read(&server.line) == LINE_FRAME) {
            answer_frame(&server);
        } else {
#if EP_TEXT_COMMANDS
            text_command_run(&server);
#else
            static const char NONE[] = "e-[This firmware has no commands in text]\r\nm-ready\r\n";
            ep_port_write(NONE, sizeof NONE - 1);
#endif
        }
    }
}
