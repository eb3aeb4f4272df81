/* The server on this computer, over its standard input and output, with flash in memory: for trials of a
 * host against it. */
#define _POSIX_C_SOURCE 200809L
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "edgeprune/port.h"
#include "edgeprune/server.h"

enum {
    PAGE_BYTES = 4096,
    SLOT_BYTES = 1 << 20,
    UNIT_BYTES = 8,
    ARENA_BYTES = 1 << 20,
    TICK_HZ = 1000000,
    WAIT_MS = 1
};

static uint32_t flash[2 * SLOT_BYTES / 4], arena[ARENA_BYTES / 4];

const struct ep_port ep_port = {
    .board = "pipe",
    .core = "host",
    .tick_hz = TICK_HZ,
    .is_emulated = true,
    .counts_cycles = false,
    .flash = (const uint8_t *)flash,
    .slot_bytes = SLOT_BYTES,
    .page_bytes = PAGE_BYTES,
    .unit_bytes = UNIT_BYTES,
    .arena = arena,
    .arena_bytes = ARENA_BYTES,
};

size_t ep_port_read(void *to, size_t room)
{
    struct pollfd input = {.fd = 0, .events = POLLIN, .revents = 0};
    if (poll(&input, 1, WAIT_MS) <= 0) {
        return 0;
    }
    const ssize_t bytes = read(0, to, room);
    if (bytes <= 0) {
        exit(0); /* the other end is closed */
    }
    return (size_t)bytes;
}

void ep_port_write(const void *from, size_t bytes)
{
    const char *next = from;
    while (bytes > 0) {
        const ssize_t taken = write(1, next, bytes);
        if (taken <= 0) {
            exit(0);
        }
        next += taken;
        bytes -= (size_t)taken;
    }
}

uint32_t ep_port_ticks(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * TICK_HZ + (uint64_t)now.tv_nsec / 1000);
}

bool ep_port_erase(uint32_t at)
{
    memset((uint8_t *)flash + at, 0xff, PAGE_BYTES);
    return true;
}

bool ep_port_program(uint32_t at, const void *from, uint32_t bytes)
{
    memcpy((uint8_t *)flash + at, from, bytes);
    return true;
}

int main(void)
{
    for (;;) {
        ep_serve();
    }
}
