/* Fuzzes ep_prepare and ep_run: whatever a plan says, only its own bytes and its arena are touched. */
#include <stdlib.h>
#include <string.h>

#include "crc32.h"
#include "edgeprune/engine.h"
#include "fuzz.h"

enum { MAX_ARENA_BYTES = 1 << 14, CHECKED_FROM = 12 };

const char *const FUZZ_WORDS[] = {NULL};

void fuzz_one(const uint8_t *data, size_t bytes)
{
    struct ep_engine engine;
    struct ep_plan_header header;
    uint8_t *plan = malloc(bytes > 0 ? bytes : 1);
    if (plan == NULL) {
        abort();
    }
    memcpy(plan, data, bytes);
    size_t arena_bytes = 64;
    if (bytes >= sizeof header) { /* what cannot be guessed is made right */
        memcpy(&header, plan, sizeof header);
        header.magic = EP_PLAN_MAGIC;
        header.version = EP_PLAN_VERSION;
        header.plan_bytes = (uint32_t)bytes;
        memcpy(plan, &header, sizeof header);
        header.crc32 = crc32_of(0, plan + CHECKED_FROM, bytes - CHECKED_FROM);
        memcpy(plan, &header, sizeof header);
        arena_bytes = header.arena_bytes <= MAX_ARENA_BYTES ? header.arena_bytes : MAX_ARENA_BYTES;
    }
    uint8_t *arena = malloc(arena_bytes > 0 ? arena_bytes : 1);
    if (arena == NULL) {
        abort();
    }
    memset(arena, 3, arena_bytes);
    if (ep_prepare(&engine, plan, bytes, arena, arena_bytes) == EP_OK) {
        ep_run(&engine, NULL, NULL);
    }
    free(arena);
    free(plan);
}
