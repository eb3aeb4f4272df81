#include "memory_port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edgeprune/port.h"

enum { ARENA_BYTES = 1 << 14, TICK_HZ = 1000 };

struct memory_port memory_port;
static uint32_t arena[ARENA_BYTES / 4];
static uint32_t random_state = 1;

const struct ep_port ep_port = {
    .board = "memory",
    .core = "host",
    .tick_hz = TICK_HZ,
    .is_emulated = true,
    .counts_cycles = false,
    .flash = memory_port.flash,
    .slot_bytes = SLOT_BYTES,
    .page_bytes = PAGE_BYTES,
    .unit_bytes = UNIT_BYTES,
    .arena = arena,
    .arena_bytes = ARENA_BYTES,
};

void memory_random_seed(uint32_t seed) { random_state = seed * 2654435761u | 1; }

uint32_t memory_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

void memory_fail(const char *why)
{
    fprintf(stderr, "%s (step %ld, torn %d)\n", why, memory_port.steps, (int)memory_port.torn);
    abort();
}

size_t ep_port_read(void *to, size_t room)
{
    if (memory_port.coming_bytes == 0) {
        memory_port.ticks += memory_port.idle_ticks;
        memory_port.starve();
    }
    const size_t bytes = room < memory_port.coming_bytes ? room : memory_port.coming_bytes;
    if (bytes == 0) {
        return 0;
    }
    memcpy(to, memory_port.coming, bytes);
    memory_port.coming += bytes;
    memory_port.coming_bytes -= bytes;
    return bytes;
}

void ep_port_write(const void *from, size_t bytes)
{
    if (bytes > SENT_BYTES - memory_port.sent_bytes) {
        memory_port.sent_bytes = 0; /* nobody reads so much */
    }
    if (bytes > SENT_BYTES) {
        memory_fail("an answer is longer than any frame");
    }
    if (bytes > 0) {
        memcpy(memory_port.sent + memory_port.sent_bytes, from, bytes);
        memory_port.sent_bytes += bytes;
    }
}

uint32_t ep_port_ticks(void) { return memory_port.ticks; }

static void must_be_free(uint32_t at, uint32_t bytes)
{
    const uint8_t *first = memory_port.flash + at;
    if (at > FLASH_BYTES || bytes > FLASH_BYTES - at) {
        memory_fail("written outside of flash");
    }
    if (memory_port.keep != NULL && first < memory_port.keep + memory_port.keep_bytes &&
        memory_port.keep < first + bytes) {
        memory_fail("the slot in use was written");
    }
}

/* One step: all of `after` becomes what is there, or what a cut leaves of it. */
static void step(uint8_t *there, const uint8_t *after, size_t bytes)
{
    if (memory_port.steps++ != memory_port.cut_at) {
        memcpy(there, after, bytes);
        return;
    }
    for (size_t i = 0; i < bytes; i++) {
        switch (memory_port.torn) {
        case TORN_HALF:
            there[i] = i < bytes / 2 ? after[i] : there[i];
            break;
        case TORN_RANDOM: { /* each bit as before or as after */
            const uint8_t mask = (uint8_t)(memory_random() >> 24);
            there[i] = (uint8_t)((there[i] & mask) | (after[i] & ~mask));
            break;
        }
        case TORN_ZERO: /* as flash that programs all bits before it erases them */
            there[i] = bytes == PAGE_BYTES ? 0 : after[i] & there[i];
            break;
        case TORN_AFTER:
            there[i] = after[i];
            break;
        default:
            break;
        }
    }
    longjmp(memory_port.power_lost, 1);
}

bool ep_port_erase(uint32_t at)
{
    uint8_t erased[PAGE_BYTES];
    if (at % PAGE_BYTES != 0) {
        memory_fail("erased what is no page");
    }
    must_be_free(at, PAGE_BYTES);
    memset(erased, 0xff, sizeof erased);
    step(memory_port.flash + at, erased, sizeof erased);
    return true;
}

bool ep_port_program(uint32_t at, const void *from, uint32_t bytes)
{
    if (at % UNIT_BYTES != 0 || bytes % UNIT_BYTES != 0 || (uintptr_t)from % 4 != 0) {
        memory_fail("programmed what is no unit");
    }
    for (uint32_t i = 0; i < bytes; i += UNIT_BYTES) {
        /* Marks are of the slot in use: written once, and no part of its record or plan. */
        const uint32_t in_slot = (at + i) % SLOT_BYTES;
        if (in_slot < 32 || in_slot >= 128) {
            must_be_free(at + i, UNIT_BYTES);
        }
        for (uint32_t j = 0; j < UNIT_BYTES; j++) {
            if (memory_port.flash[at + i + j] != 0xff) {
                memory_fail("programmed a unit that was not erased");
            }
        }
        step(memory_port.flash + at + i, (const uint8_t *)from + i, UNIT_BYTES);
    }
    return true;
}
