/* Which plan is stored, and what the firmware is. */
#include "answer.h"
#include "commands.h"
#include "edgeprune/port.h"

enum { PROTOCOL = 2 };

#ifndef EP_VERSION
#define EP_VERSION "unnamed"
#endif

const char *command_hello(struct server *server, const uint32_t *values)
{
    struct slot_state state = {0};
    (void)values;
    if (server->slots.used != SLOT_NONE) {
        state = slot_read(server->slots.used);
    }
    answer_string(&server->answer, "agent_version", EP_VERSION);
    answer_integer(&server->answer, "protocol", PROTOCOL);
    answer_string(&server->answer, "board", ep_port.board);
    answer_string(&server->answer, "core", ep_port.core);
    answer_raw(&server->answer, "isas", "[\"scalar\"");
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
    text_raw(&server->answer, ",\"dsp\"");
#endif
#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE
    text_raw(&server->answer, ",\"mve\"");
#endif
    text_raw(&server->answer, "]");
    answer_integer(&server->answer, "tick_hz", ep_port.is_emulated ? 0 : ep_port.tick_hz);
    answer_boolean(&server->answer, "counts_cycles", ep_port.counts_cycles);
    answer_integer(&server->answer, "arena_bytes", (int64_t)ep_port.arena_bytes);
    answer_integer(&server->answer, "slot_bytes", slot_room());
    answer_integer(&server->answer, "json_bytes", LINE_JSON_BYTES);
    answer_integer(&server->answer, "blob_bytes", LINE_BLOB_BYTES);
    answer_integer(&server->answer, "plan_version", EP_PLAN_VERSION);
    answer_integer(&server->answer, "slot", server->slots.used);
    answer_integer(&server->answer, "sequence", state.sequence);
    answer_integer(&server->answer, "plan_crc32", state.plan_crc32);
    answer_integer(&server->answer, "plan_bytes", state.plan_bytes);
    answer_boolean(&server->answer, "fell_back", server->slots.fell_back);
    return NULL;
}

const char *command_store_begin(struct server *server, const uint32_t *values)
{
    const int used = server->slots.used;
    const char *wrong = slots_begin(&server->slots, &server->engine, values[0], values[1]);
    if (server->slots.used != used) {
        forget_loaded(server); /* another network is in use */
    }
    if (wrong == NULL) {
        answer_integer(&server->answer, "at", server->slots.filled_bytes);
    }
    return wrong;
}

const char *command_store(struct server *server, const uint32_t *values)
{
    const uint32_t bytes = (uint32_t)server->line.blob_bytes;
    const uint32_t filled = server->slots.filled_bytes;
    if (server->slots.filling == SLOT_NONE || values[0] != filled) {
        if (server->slots.filling == SLOT_NONE || values[0] > filled || bytes != filled - values[0]) {
            return "a piece does not begin where the last one ended: send store_begin";
        }
    } else { /* else it came before, and its answer was lost */
        const char *wrong = slots_write(&server->slots, server->line.blob, bytes);
        if (wrong != NULL) {
            return wrong;
        }
    }
    answer_integer(&server->answer, "at", server->slots.filled_bytes);
    return NULL;
}

const char *command_store_end(struct server *server, const uint32_t *values)
{
    (void)values;
    const char *wrong = slots_end(&server->slots, &server->engine);
    forget_loaded(server);
    if (wrong == NULL) {
        answer_integer(&server->answer, "slot", server->slots.used);
        answer_integer(&server->answer, "sequence", slot_read(server->slots.used).sequence);
    }
    return wrong;
}
