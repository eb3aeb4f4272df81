/* Two slots in flash, each with one plan: written piece by piece, switched at one stroke.
 *
 * A slot begins with a page for its record, and the plan stands behind it. Whatever a cut of power
 * leaves, a slot that is not whole is not used, and an upload only ever writes the other one. */
#ifndef EDGEPRUNE_SLOTS_H
#define EDGEPRUNE_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "edgeprune/engine.h"

enum { SLOT_COUNT = 2, SLOT_NONE = -1 };

struct slots {
    int used;       /* the slot in use, or SLOT_NONE */
    bool fell_back; /* a newer plan is there, and was started once without coming to its end */
    int filling;    /* the slot that an upload writes, or SLOT_NONE */
    uint32_t filled_bytes; /* of its plan */
};

/* What is known of a slot. */
struct slot_state {
    uint32_t sequence;
    uint32_t plan_bytes;
    uint32_t plan_crc32;
    bool is_recorded; /* the three above hold */
    bool is_whole;    /* its plan is all there, and was checked */
    bool was_tried;
    bool is_good; /* it has run to its end */
};

struct slot_state slot_read(int slot);
const void *slot_plan(int slot);

/* The most bytes that a plan may have. */
uint32_t slot_room(void);

/* Chooses the slot to use: the newest that is whole, and that is good if it was tried. */
void slots_open(struct slots *slots, struct ep_engine *engine);

/* Makes a slot ready for a plan. Sets filled_bytes to how much of exactly this plan is there already, all
 * of it if it is in use. The slot in use may change. NULL if all is well, else what is wrong. */
const char *slots_begin(struct slots *slots, struct ep_engine *engine, uint32_t plan_bytes,
                        uint32_t plan_crc32);

/* Writes the next bytes of the plan; `from` is aligned to 4 bytes. */
const char *slots_write(struct slots *slots, const void *from, uint32_t bytes);

/* Checks the plan and puts it to use. */
const char *slots_end(struct slots *slots, struct ep_engine *engine);

/* Notes in flash that the plan in use is about to run, or that it ran to its end; writes nothing
 * where that is known. */
const char *slots_note_tried(const struct slots *slots);
const char *slots_note_good(const struct slots *slots);

#endif
