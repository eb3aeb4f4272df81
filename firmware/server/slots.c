#include "slots.h"

#include <string.h>

#include "crc32.h"
#include "edgeprune/port.h"

/* A record's page: the record, then three marks, each in units of its own, since a unit of flash can
 * be programmed once. A cut of power may leave a unit with any bytes. So a record has a CRC, and a mark
 * counts as soon as it is not erased: it is only ever written when what it says holds already. */
enum { RECORD_MAGIC = 0x52535045 /* "EPSR" */, MARK = 0, ERASED = -1, PART_BYTES = 32 };
enum mark { WHOLE = 1, TRIED, GOOD }; /* which part of PART_BYTES it is */

struct record {
    uint32_t magic;
    uint32_t sequence;
    uint32_t plan_bytes;
    uint32_t plan_crc32;
    uint32_t crc32; /* of the four above */
    uint32_t rest[3];
};

#define CHECKED_BYTES offsetof(struct record, crc32)

static const char FLASH_FAILED[] = "the flash could not be written";

static uint32_t slot_at(int slot) { return slot == 0 ? 0 : ep_port.slot_bytes; }

static uint32_t plan_at(int slot) { return slot_at(slot) + ep_port.page_bytes; }

const void *slot_plan(int slot) { return ep_port.flash + plan_at(slot); }

uint32_t slot_room(void) { return ep_port.slot_bytes - ep_port.page_bytes; }

static bool is_marked(int slot, enum mark mark)
{
    uint32_t word;
    memcpy(&word, ep_port.flash + slot_at(slot) + (uint32_t)mark * PART_BYTES, sizeof word);
    return word != (uint32_t)ERASED;
}

struct slot_state slot_read(int slot)
{
    struct slot_state state = {0};
    struct record record;
    memcpy(&record, ep_port.flash + slot_at(slot), sizeof record);
    state.is_recorded = record.magic == RECORD_MAGIC &&
                        record.crc32 == crc32_of(0, &record, CHECKED_BYTES) &&
                        record.plan_bytes <= slot_room();
    if (state.is_recorded) {
        state.sequence = record.sequence;
        state.plan_bytes = record.plan_bytes;
        state.plan_crc32 = record.plan_crc32;
        state.is_whole = is_marked(slot, WHOLE);
        state.was_tried = is_marked(slot, TRIED);
        state.is_good = is_marked(slot, GOOD);
    }
    return state;
}

static bool is_plan_right(int slot, const struct slot_state *state)
{
    return crc32_of(0, slot_plan(slot), state->plan_bytes) == state->plan_crc32;
}

static enum ep_status prepare(struct ep_engine *engine, int slot, const struct slot_state *state)
{
    return ep_prepare(engine, slot_plan(slot), state->plan_bytes, ep_port.arena,
                      ep_port.arena_bytes);
}

/* Counted on, a sequence number begins anew behind the highest. */
static bool is_newer(uint32_t sequence, uint32_t than) { return (int32_t)(sequence - than) > 0; }

void slots_open(struct slots *slots, struct ep_engine *engine)
{
    struct slot_state states[SLOT_COUNT];
    slots->used = slots->filling = SLOT_NONE;
    slots->fell_back = false;
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        states[slot] = slot_read(slot);
    }
    const int newest =
        states[1].is_whole &&
                (!states[0].is_whole || is_newer(states[1].sequence, states[0].sequence))
            ? 1
            : 0;
    for (int i = 0; i < SLOT_COUNT && slots->used == SLOT_NONE; i++) {
        const int slot = i == 0 ? newest : 1 - newest;
        const struct slot_state *state = &states[slot];
        if (!state->is_whole) {
            continue;
        }
        if ((!state->was_tried || state->is_good) && prepare(engine, slot, state) == EP_OK) {
            slots->used = slot;
        } else {
            slots->fell_back = true;
        }
    }
}

/* Programs what is not erased already: a unit of erased bytes needs nothing, and may then be
 * programmed later. */
static bool program(uint32_t at, const void *from, uint32_t bytes)
{
    const uint32_t unit = ep_port.unit_bytes < 4 ? 4 : ep_port.unit_bytes; /* `from` is aligned to 4 */
    const uint8_t *next = from;
    uint32_t begin = 0; /* of units that are not erased */
    for (uint32_t i = 0; i <= bytes; i += unit) {
        bool is_erased = true;
        for (uint32_t j = 0; i < bytes && j < unit; j++) {
            is_erased = is_erased && next[i + j] == 0xff;
        }
        if (is_erased) {
            if (i > begin && !ep_port_program(at + begin, next + begin, i - begin)) {
                return false;
            }
            begin = i + unit;
        }
    }
    return true;
}

static const char *note(int slot, enum mark mark)
{
    uint32_t part[PART_BYTES / 4];
    if (is_marked(slot, mark)) {
        return NULL;
    }
    memset(part, 0xff, sizeof part);
    part[0] = MARK;
    if (!program(slot_at(slot) + (uint32_t)mark * PART_BYTES, part, PART_BYTES) ||
        !is_marked(slot, mark)) {
        return FLASH_FAILED;
    }
    return NULL;
}

/* How much of a slot's plan was written: to the page of the last byte that is not erased, which is
 * to be written anew, since a cut of power may have left its end torn. */
static uint32_t written_bytes(int slot, uint32_t plan_bytes)
{
    const uint8_t *plan = slot_plan(slot);
    uint32_t end = plan_bytes;
    while (end > 0 && plan[end - 1] == 0xff) {
        end--;
    }
    return end == 0 ? 0 : (end - 1) / ep_port.page_bytes * ep_port.page_bytes;
}

static bool erase(int slot, uint32_t from, uint32_t to)
{
    for (uint32_t at = from; at < to; at += ep_port.page_bytes) {
        if (!ep_port_erase(slot_at(slot) + at)) {
            return false;
        }
    }
    return true;
}

static bool write_record(int slot, uint32_t sequence, uint32_t plan_bytes, uint32_t plan_crc32)
{
    struct record record = {RECORD_MAGIC, sequence, plan_bytes, plan_crc32, 0, {0}};
    record.crc32 = crc32_of(0, &record, CHECKED_BYTES);
    memset(record.rest, 0xff, sizeof record.rest);
    return program(slot_at(slot), &record, sizeof record);
}

/* Which slot to fill: the one that is not in use. But a network that has run to its end is kept until the
 * next one has, so one in use that has not yet gives way to it. */
static int slot_to_fill(struct slots *slots, struct ep_engine *engine)
{
    const int used = slots->used, spare = used == 0 ? 1 : 0;
    const struct slot_state state = slot_read(spare);
    struct ep_engine kept;
    if (used == SLOT_NONE || slot_read(used).is_good || !state.is_good ||
        prepare(&kept, spare, &state) != EP_OK) {
        return spare;
    }
    slots->used = spare;
    *engine = kept;
    return used;
}

const char *slots_begin(struct slots *slots, struct ep_engine *engine, uint32_t plan_bytes,
                        uint32_t plan_crc32)
{
    if (plan_bytes == 0 || plan_bytes > slot_room()) {
        return "the plan is larger than a slot, or empty";
    }
    if (slots->used != SLOT_NONE) {
        const struct slot_state used = slot_read(slots->used);
        if (used.plan_bytes == plan_bytes && used.plan_crc32 == plan_crc32) {
            slots->filling = slots->used;
            slots->filled_bytes = plan_bytes;
            return NULL;
        }
    }
    const int slot = slot_to_fill(slots, engine), other = 1 - slot;
    const struct slot_state state = slot_read(slot), neighbour = slot_read(other);
    const bool is_same = state.is_recorded && state.plan_bytes == plan_bytes &&
                         state.plan_crc32 == plan_crc32;
    slots->filling = SLOT_NONE;
    if (is_same && !state.is_whole) {
        slots->filled_bytes = written_bytes(slot, plan_bytes);
        if (!erase(slot, ep_port.page_bytes + slots->filled_bytes,
                   ep_port.page_bytes + slots->filled_bytes + 1)) {
            return FLASH_FAILED;
        }
        slots->filling = slot;
        return NULL;
    }
    const uint32_t sequence = (neighbour.is_recorded ? neighbour.sequence : 0) + 1;
    const bool is_all_there = is_same && is_plan_right(slot, &state);
    /* The record first: from its erasure on, nothing in this slot counts. It is written when the
     * rest is erased, so that all that is not erased under a record belongs to it. */
    if (!erase(slot, 0, ep_port.page_bytes) ||
        (!is_all_there && !erase(slot, ep_port.page_bytes, ep_port.page_bytes + plan_bytes)) ||
        !write_record(slot, sequence, plan_bytes, plan_crc32)) {
        return FLASH_FAILED;
    }
    slots->filled_bytes = is_all_there ? plan_bytes : 0;
    slots->filling = slot;
    return NULL;
}

const char *slots_write(struct slots *slots, const void *from, uint32_t bytes)
{
    if (slots->filling == SLOT_NONE) {
        return "no upload was begun: send store_begin first";
    }
    const struct slot_state state = slot_read(slots->filling);
    if (bytes == 0 || bytes > state.plan_bytes - slots->filled_bytes) {
        return "the piece is empty, or longer than what is left of the plan";
    }
    const bool is_last = bytes == state.plan_bytes - slots->filled_bytes;
    if (!is_last && bytes % PART_BYTES != 0) {
        return "a piece that is not the last has to be a multiple of 32 bytes";
    }
    const uint32_t at = plan_at(slots->filling) + slots->filled_bytes;
    const uint32_t whole = bytes - bytes % PART_BYTES;
    if (whole > 0 && !program(at, from, whole)) {
        return FLASH_FAILED;
    }
    if (whole < bytes) {
        uint32_t part[PART_BYTES / 4];
        memset(part, 0xff, sizeof part);
        memcpy(part, (const uint8_t *)from + whole, bytes - whole);
        if (!program(at + whole, part, PART_BYTES)) {
            return FLASH_FAILED;
        }
    }
    slots->filled_bytes += bytes;
    return NULL;
}

const char *slots_end(struct slots *slots, struct ep_engine *engine)
{
    const int slot = slots->filling;
    if (slot == SLOT_NONE) {
        return "no upload was begun: send store_begin first";
    }
    const struct slot_state state = slot_read(slot);
    if (slots->filled_bytes != state.plan_bytes) {
        return "the plan is not whole yet: go on where store_begin says";
    }
    if (!is_plan_right(slot, &state)) {
        (void)erase(slot, 0, ep_port.page_bytes); /* nothing of it can be used */
        slots->filling = SLOT_NONE;
        slots->used = slot == slots->used ? SLOT_NONE : slots->used;
        return "the stored plan differs from what was announced: push it again";
    }
    struct ep_engine candidate;
    const enum ep_status status = prepare(&candidate, slot, &state);
    if (status != EP_OK) {
        return ep_status_text(status);
    }
    const char *wrong = note(slot, WHOLE);
    if (wrong == NULL) {
        slots->filling = SLOT_NONE;
        slots->used = slot;
        slots->fell_back = false;
        *engine = candidate;
    }
    return wrong;
}

const char *slots_note_tried(const struct slots *slots)
{
    return is_marked(slots->used, GOOD) ? NULL : note(slots->used, TRIED);
}

const char *slots_note_good(const struct slots *slots) { return note(slots->used, GOOD); }
