/* What a board must give the server: five functions and one description. firmware/ports/README.md
 * shows how to write them.
 *
 * Flash is one block that can be read like memory. Erased, all its bytes are 0xff; erasing works on
 * whole pages, programming on whole units, each once between two erasures. */
#ifndef EDGEPRUNE_PORT_H
#define EDGEPRUNE_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ep_port {
    const char *board;    /* as edgeprune calls it */
    const char *core;     /* "cortex-m4" */
    uint32_t tick_hz;     /* how often ep_port_ticks counts in a second */
    bool is_emulated;     /* ticks pass, but say nothing of a board's speed */
    bool counts_cycles;   /* a tick is a cycle of the core */
    const uint8_t *flash; /* where the two slots lie, aligned to 4 bytes */
    uint32_t slot_bytes;  /* of each slot: a multiple of page_bytes, at least two pages */
    uint32_t page_bytes;  /* erased at once: a power of 2, at least 512 */
    uint32_t unit_bytes;  /* programmed at once: 1, 2, 4, 8, 16 or 32 */
    void *arena;          /* where networks run, aligned to 16 bytes */
    size_t arena_bytes;
};

extern const struct ep_port ep_port;

/* Takes what has come over the line, at most `room` bytes, without waiting; 0 if nothing has. */
size_t ep_port_read(void *to, size_t room);

/* Sends, and returns once the line has taken all. */
void ep_port_write(const void *from, size_t bytes);

/* A counter that never stops, and begins anew with 0 behind 2^32 - 1. */
uint32_t ep_port_ticks(void);

/* Erases the page that begins `at` bytes into flash. False: it did not work. */
bool ep_port_erase(uint32_t at);

/* Programs erased flash from `at` bytes into it, in ascending order; both are multiples of
 * unit_bytes, and `from` is aligned to 4 bytes. False: it did not work. */
bool ep_port_program(uint32_t at, const void *from, uint32_t bytes);

#endif
