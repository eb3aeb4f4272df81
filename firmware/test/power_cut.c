/* Cuts power at every step of an upload and of the first runs after it, in every way, and looks what the
 * firmware does at its next start.
 *
 *     power_cut OLD NEW OLD_OUTPUT NEW_OUTPUT EVERY
 *
 * OLD and NEW are plans of networks with one input, which is fed with zeros. After each EVERYth cut, the next
 * update is cut at every step again; 0: after none. Prints how many cuts there
 * were. The host here does what PROTOCOL.md says: whatever happened, it begins again with hello. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crc32.h"
#include "edgeprune/port.h"
#include "edgeprune/server.h"
#include "frame_header.h"
#include "line.h"
#include "memory_port.h"
#include "slots.h"

enum { PLAN_BYTES = 1 << 14, PIECE_BYTES = 1024, JSON_BYTES = 128, FRAMES_BYTES = 1 << 13 };

struct network {
    uint32_t plan[PLAN_BYTES / 4];
    size_t plan_bytes;
    uint32_t crc32;
    uint8_t output[256];
    size_t output_bytes;
};

static struct network networks[2]; /* the old and the new one */

/* What the host is about. */
enum goal { STORE, RUN, LOOK };
static enum goal goal;
static const struct network *wanted; /* to store */
static unsigned phase;
static size_t stored_bytes, input_bytes;
static uint8_t sending[FRAMES_BYTES];
static jmp_buf host_done;

/* What the host has seen. */
static char seen_hello[LINE_JSON_BYTES + 1];
static uint8_t seen_output[256];
static size_t seen_output_bytes;

static void ask(const char *json, const void *blob, size_t blob_bytes)
{
    const size_t json_bytes = strlen(json);
    frame_header_make(sending, json, json_bytes, blob, blob_bytes);
    memcpy(sending + FRAME_HEADER_BYTES, json, json_bytes);
    if (blob_bytes > 0) {
        memcpy(sending + FRAME_HEADER_BYTES + json_bytes, blob, blob_bytes);
    }
    memory_port.sent_bytes = 0;
    memory_port.coming = sending;
    memory_port.coming_bytes = FRAME_HEADER_BYTES + json_bytes + blob_bytes;
}

/* The last answer's JSON; stops unless it says ok. */
static const char *answer(void)
{
    static char json[LINE_JSON_BYTES + 1];
    struct frame_lengths lengths;
    if (!frame_begins(memory_port.sent) || !frame_header_read(memory_port.sent, &lengths)) {
        memory_fail("there was no answer");
    }
    memcpy(json, memory_port.sent + FRAME_HEADER_BYTES, lengths.json_bytes);
    json[lengths.json_bytes] = '\0';
    seen_output_bytes = lengths.blob_bytes;
    if (seen_output_bytes <= sizeof seen_output) {
        memcpy(seen_output, memory_port.sent + FRAME_HEADER_BYTES + lengths.json_bytes,
               lengths.blob_bytes);
    }
    if (strstr(json, "\"ok\":true") == NULL) {
        memory_fail(json);
    }
    return json;
}

static long number_of(const char *json, const char *key)
{
    const char *at = strstr(json, key);
    if (at == NULL) {
        memory_fail("an answer lacks a key");
        return 0;
    }
    return strtol(at + strlen(key), NULL, 10);
}

static void store_on(void)
{
    char json[JSON_BYTES];
    if (phase == 1) {
        snprintf(json, sizeof json, "{\"id\":1,\"cmd\":\"store_begin\",\"bytes\":%zu,\"crc32\":%lu}",
                 wanted->plan_bytes, (unsigned long)wanted->crc32);
        phase = 2;
        ask(json, NULL, 0);
        return;
    }
    if (phase == 2) {
        stored_bytes = (size_t)number_of(answer(), "\"at\":");
        if (stored_bytes < wanted->plan_bytes) {
            const size_t left = wanted->plan_bytes - stored_bytes;
            snprintf(json, sizeof json, "{\"id\":1,\"cmd\":\"store\",\"at\":%zu}", stored_bytes);
            ask(json, (const uint8_t *)wanted->plan + stored_bytes,
                left < PIECE_BYTES ? left : PIECE_BYTES);
            return;
        }
        phase = 3;
        ask("{\"id\":1,\"cmd\":\"store_end\"}", NULL, 0);
        return;
    }
    (void)answer();
    longjmp(host_done, 1);
}

static void run_on(void)
{
    static const uint8_t ZEROS[LINE_BLOB_BYTES];
    char json[JSON_BYTES];
    switch (phase) {
    case 1:
        ask("{\"id\":1,\"cmd\":\"load\"}", NULL, 0);
        break;
    case 2:
        input_bytes = (size_t)number_of(answer(), "\"bytes\":");
        seen_output_bytes = (size_t)number_of(strstr(answer(), "\"outputs\":"), "\"bytes\":");
        snprintf(json, sizeof json, "{\"id\":%zu,\"cmd\":\"input\",\"tensor\":0,\"at\":0}",
                 seen_output_bytes);
        ask(json, ZEROS, input_bytes);
        break;
    case 3:
        seen_output_bytes = (size_t)number_of(answer(), "\"id\":");
        snprintf(json, sizeof json, "{\"id\":%zu,\"cmd\":\"infer\"}", seen_output_bytes);
        ask(json, NULL, 0);
        break;
    case 4:
        snprintf(json, sizeof json, "{\"id\":1,\"cmd\":\"output\",\"tensor\":0,\"at\":0,\"bytes\":%ld}",
                 number_of(answer(), "\"id\":"));
        ask(json, NULL, 0);
        break;
    default:
        (void)answer();
        longjmp(host_done, 1);
    }
    phase++;
}

/* The host: called when the firmware waits for more. */
static void host(void)
{
    if (phase == 0) {
        phase = 1;
        ask("{\"id\":1,\"cmd\":\"hello\"}", NULL, 0);
        return;
    }
    if (phase == 1) {
        memcpy(seen_hello, answer(), sizeof seen_hello);
        if (goal == LOOK) {
            longjmp(host_done, 1);
        }
    }
    if (goal == STORE) {
        store_on();
    } else {
        run_on();
    }
}

/* One life of the device, from its start on; false if power was lost in it. */
static int live(enum goal what, const struct network *network)
{
    goal = what;
    wanted = network;
    phase = 0;
    memory_port.coming_bytes = memory_port.sent_bytes = 0;
    memory_port.starve = host;
    memory_port.idle_ticks = 250;
    if (setjmp(memory_port.power_lost) != 0) {
        memory_port.cut_at = -1;
        return 0;
    }
    if (setjmp(host_done) == 0) {
        ep_serve();
    }
    return 1;
}

/* Which network the device runs now, after a start; -1: none. */
static int running(void)
{
    live(LOOK, NULL);
    if (number_of(seen_hello, "\"slot\":") < 0) {
        return -1;
    }
    const unsigned long crc = (unsigned long)number_of(seen_hello, "\"plan_crc32\":");
    const int which = crc == networks[1].crc32 ? 1 : 0;
    if (crc != networks[which].crc32) {
        memory_fail("the device runs what nobody gave it");
    }
    return which;
}

static void must_run(int which)
{
    if (!live(RUN, NULL)) {
        memory_fail("power was lost where it was not cut");
    }
    if (seen_output_bytes != networks[which].output_bytes ||
        memcmp(seen_output, networks[which].output, seen_output_bytes) != 0) {
        memory_fail("the outputs are of no network that was stored");
    }
}

static void begin_flash(const uint8_t flash[FLASH_BYTES])
{
    memcpy(memory_port.flash, flash, FLASH_BYTES);
    memory_port.steps = 0;
    memory_port.cut_at = -1;
}

/* What the host does after the old network ran: stores the new one and runs it. */
static int update(void)
{
    return live(STORE, &networks[1]) && live(RUN, NULL);
}

/* A network that was begun and did not come to its end is not begun again. */
static void must_have_fallen_back(int which)
{
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        const struct slot_state state = slot_read(slot);
        const int is_failed = state.is_whole && state.was_tried && !state.is_good;
        if (is_failed && which >= 0 && state.plan_crc32 == networks[which].crc32) {
            memory_fail("a network that did not come to its end is begun again");
        }
        if (is_failed && strstr(seen_hello, "\"fell_back\":true") == NULL) {
            memory_fail("the device does not say that it fell back");
        }
    }
}

/* A slot whose plan has changed behind its record is not used. */
static void must_notice_damage(const uint8_t flash[FLASH_BYTES])
{
    begin_flash(flash);
    if (!update() || running() != 1) {
        memory_fail("an update does not work even with power");
    }
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        if (slot_read(slot).plan_crc32 == networks[1].crc32) {
            uint8_t *plan = memory_port.flash + ((const uint8_t *)slot_plan(slot) - memory_port.flash);
            plan[networks[1].plan_bytes - 1] ^= 1;
        }
    }
    if (running() != 0) {
        memory_fail("a damaged plan is run");
    }
    must_run(0);
}

/* Cuts `update` at every step in every way, from the given flash on. `had`: whether a network ran before.
 * Returns the number of cuts. */
static long cut_everywhere(const uint8_t flash[FLASH_BYTES], int had, long second_every)
{
    static uint8_t after[FLASH_BYTES], again[FLASH_BYTES];
    long cuts = 0;
    begin_flash(flash);
    if (!update()) {
        memory_fail("an update does not work even with power");
    }
    const long steps = memory_port.steps;
    for (long at = 0; at < steps; at++) {
        for (int torn = 0; torn < TORN_END; torn++, cuts++) {
            begin_flash(flash);
            memory_random_seed((uint32_t)(at * TORN_END + torn));
            memory_port.cut_at = at;
            memory_port.torn = (enum torn)torn;
            if (update()) {
                memory_fail("a cut did not happen");
            }
            const int which = running();
            if (which < 0 && had) {
                memory_fail("the device has no network any more");
            }
            must_have_fallen_back(which);
            memcpy(after, memory_port.flash, FLASH_BYTES);
            if (which >= 0) {
                must_run(which);
            }
            begin_flash(after);
            if (!update()) {
                memory_fail("power was lost where it was not cut");
            }
            must_run(1);
            if (second_every > 0 && cuts % second_every == 0) {
                memcpy(again, after, FLASH_BYTES);
                cuts += cut_everywhere(again, had, 0);
            }
        }
    }
    return cuts;
}

static void take(const char *path, void *to, size_t room, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        memory_fail(path);
    } else {
        *bytes = fread(to, 1, room, file);
        fclose(file);
    }
}

int main(int argc, char **argv)
{
    static uint8_t flash[FLASH_BYTES];
    const long every = argc == 6 ? strtol(argv[5], NULL, 10) : 0;
    if (argc != 6) {
        return 2;
    }
    for (int i = 0; i < 2; i++) {
        struct network *network = &networks[i];
        take(argv[1 + i], network->plan, PLAN_BYTES, &network->plan_bytes);
        take(argv[3 + i], network->output, sizeof network->output, &network->output_bytes);
        network->crc32 = crc32_of(0, network->plan, network->plan_bytes);
    }
    memset(flash, 0, sizeof flash); /* as a chip may come */
    printf("first plan: %ld cuts\n", cut_everywhere(flash, 0, every));
    begin_flash(flash);
    if (!live(STORE, &networks[0]) || !live(RUN, NULL)) {
        memory_fail("the old network does not run");
    }
    memcpy(flash, memory_port.flash, sizeof flash);
    must_notice_damage(flash);
    printf("second plan: %ld cuts\n", cut_everywhere(flash, 1, every));
    begin_flash(flash); /* both slots full, the old one in use and the new one behind it */
    if (!update() || !live(STORE, &networks[0]) || !live(RUN, NULL)) {
        memory_fail("networks cannot be stored in turn");
    }
    memcpy(flash, memory_port.flash, sizeof flash);
    printf("a plan that is there already: %ld cuts\n", cut_everywhere(flash, 1, every));
    return 0;
}
