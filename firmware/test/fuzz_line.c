/* Fuzzes the server: whatever comes over the line, it goes on, writes only the slot that is not in use, and
 * answers hello afterwards.
 *
 * An input is a list of pieces: a kind, the length of JSON as a byte, the length of a blob as two, and
 * both. Of a frame, lengths and CRC are made right, since they cannot be guessed. */
#include <setjmp.h>
#include <string.h>

#include "edgeprune/port.h"
#include "edgeprune/server.h"
#include "frame_header.h"
#include "fuzz.h"
#include "memory_port.h"

enum { FRAME, RAW, TORN_FRAME, PIECE_KINDS, IDLE_TICKS = 250 };

const char *const FUZZ_WORDS[] = {
    "{\"id\":1,\"cmd\":\"", "hello\"}", "store_begin\",\"bytes\":", ",\"crc32\":", "store\",\"at\":0}",
    "store_end\"}", "load\"}", "input\",\"tensor\":0,\"at\":0}", "infer\"}",
    "output\",\"tensor\":0,\"at\":0,\"bytes\":", "time\",\"warmup\":1,\"runs\":2}", "profile\"}",
    "reset\"}", ",\"epoch\":7}", "load\",\"epoch\":8}", "infer\",\"epoch\":8}", "name%", "profile%",
    "timestamp%", "db load 4%", "db 00ff%", "db print%", "infer 2 1%", "results%", "help%", "EPF2", NULL,
};

static const uint8_t *next;
static size_t left;
static int is_last; /* the closing hello was sent */
static uint8_t frame[FRAME_HEADER_BYTES + 256 + 65536];
static jmp_buf done;

static void send_frame(const uint8_t *json, size_t json_bytes, const uint8_t *blob, size_t blob_bytes)
{
    frame_header_make(frame, json, json_bytes, blob, blob_bytes);
    memcpy(frame + FRAME_HEADER_BYTES, json, json_bytes);
    if (blob_bytes > 0) {
        memcpy(frame + FRAME_HEADER_BYTES + json_bytes, blob, blob_bytes);
    }
    memory_port.coming = frame;
    memory_port.coming_bytes = FRAME_HEADER_BYTES + json_bytes + blob_bytes;
}

static void starve(void)
{
    static const char HELLO[] = "{\"id\":7777,\"cmd\":\"hello\"}";
    static const char SEEN[] = "{\"id\":7777,\"ok\":true";
    static int waited;
    if (left < 4) {
        if (!is_last || waited < 25) { /* after a pause, so that no broken frame still waits */
            waited = is_last ? waited + 1 : 0;
            is_last = 1;
            if (waited == 24) {
                memory_port.sent_bytes = 0;
                send_frame((const uint8_t *)HELLO, sizeof HELLO - 1, NULL, 0);
            }
            return;
        }
        size_t at = 0; /* a command that was stopped may have said so first */
        while (at + sizeof SEEN <= memory_port.sent_bytes &&
               memcmp(memory_port.sent + at, SEEN, sizeof SEEN - 1) != 0) {
            at++;
        }
        if (at + sizeof SEEN > memory_port.sent_bytes) {
            memory_fail("hello was not answered");
        }
        longjmp(done, 1);
    }
    const unsigned kind = next[0] % PIECE_KINDS;
    size_t json_bytes = next[1], blob_bytes = (size_t)next[2] | (size_t)next[3] << 8;
    next += 4, left -= 4;
    json_bytes = json_bytes < left ? json_bytes : left;
    blob_bytes = blob_bytes < left - json_bytes ? blob_bytes : left - json_bytes;
    if (kind == RAW) {
        memory_port.coming = next;
        memory_port.coming_bytes = json_bytes + blob_bytes;
    } else {
        send_frame(next, json_bytes, next + json_bytes, blob_bytes);
        frame[12] = (uint8_t)(frame[12] ^ (kind == TORN_FRAME));
    }
    next += json_bytes + blob_bytes, left -= json_bytes + blob_bytes;
}

void fuzz_one(const uint8_t *data, size_t bytes)
{
    next = data, left = bytes, is_last = 0;
    memset(memory_port.flash, 0xff, sizeof memory_port.flash);
    memory_port.steps = 0;
    memory_port.cut_at = -1;
    memory_port.coming_bytes = memory_port.sent_bytes = 0;
    memory_port.starve = starve;
    memory_port.idle_ticks = IDLE_TICKS;
    memory_port.ticks = UINT32_MAX - 1000; /* so that the counter begins anew */
    if (setjmp(done) == 0) {
        for (;;) {
            ep_serve();
        }
    }
}
