/* A port without a board: a line in memory, and flash that behaves as flash does, and can be cut off. */
#ifndef EDGEPRUNE_MEMORY_PORT_H
#define EDGEPRUNE_MEMORY_PORT_H

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#ifndef UNIT_BYTES
#define UNIT_BYTES 4
#endif

enum { PAGE_BYTES = 512, SLOT_BYTES = 24 * PAGE_BYTES, FLASH_BYTES = 2 * SLOT_BYTES };
enum { SENT_BYTES = 1 << 14 };

/* What a cut leaves of a unit that is being programmed, or of a page that is being erased. */
enum torn { TORN_BEFORE, TORN_HALF, TORN_RANDOM, TORN_ZERO, TORN_AFTER, TORN_END };

struct memory_port {
    uint8_t flash[FLASH_BYTES];
    long steps;  /* units programmed and pages erased so far */
    long cut_at; /* the step that power does not last for; -1: it lasts */
    enum torn torn;
    const uint8_t *coming; /* what the line has for the firmware */
    size_t coming_bytes;
    uint8_t sent[SENT_BYTES]; /* what the firmware sent */
    size_t sent_bytes;
    uint32_t ticks;
    uint32_t idle_ticks; /* that pass when the firmware waits and nothing is coming */
    /* Asked when the firmware waits and nothing is coming: sets more, or jumps out. */
    void (*starve)(void);
    jmp_buf power_lost;
    const uint8_t *keep; /* flash from here on may not be written or erased, `keep_bytes` of it */
    size_t keep_bytes;
};

extern struct memory_port memory_port;

/* The next number of a fixed sequence. Source: Marsaglia, Xorshift RNGs, 2003. */
uint32_t memory_random(void);
void memory_random_seed(uint32_t seed);

/* Stops with a message: the firmware did what it must not. */
void memory_fail(const char *why);

#endif
