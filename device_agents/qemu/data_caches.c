#include "data_caches.h"

#include <stdlib.h>
#include <string.h>

enum { LINE_SHIFT = 6, WAYS_LIMIT = 64 };
#define BYTES_LIMIT (UINT64_C(1) << 30)

bool data_caches_add(struct data_caches *caches, uint64_t bytes, uint64_t ways)
{
    if (caches->level_count == DATA_CACHE_LEVELS || ways == 0 || ways > WAYS_LIMIT || bytes == 0 ||
        bytes > BYTES_LIMIT || bytes % (ways << LINE_SHIFT) != 0) {
        return false;
    }
    const size_t lines = (size_t)(bytes >> LINE_SHIFT);
    struct data_cache level = {.sets = lines / (size_t)ways, .ways = (size_t)ways};
    level.lines = malloc(lines * sizeof *level.lines);
    if (level.lines == NULL) {
        return false;
    }
    memset(level.lines, 0xff, lines * sizeof *level.lines); /* no address has such a line */
    caches->levels[caches->level_count++] = level;
    return true;
}

/* Whether the line is there; afterwards it is. */
static bool take(struct data_cache *level, uint64_t line)
{
    uint64_t *lines = level->lines + line % level->sets * level->ways;
    size_t way = 0;
    while (way < level->ways - 1 && lines[way] != line) {
        way++;
    }
    const bool is_there = lines[way] == line;
    memmove(lines + 1, lines, way * sizeof *lines);
    lines[0] = line;
    return is_there;
}

static bool is_streamed(struct data_caches *caches, uint64_t line)
{
    for (size_t i = 0; i < DATA_CACHE_STREAMS; i++) {
        const uint64_t ahead = line - caches->missed[i];
        if (ahead == 1 || ahead == 2 || ahead == UINT64_MAX) {
            caches->missed[i] = line;
            return true;
        }
    }
    caches->missed[caches->missed_next] = line;
    caches->missed_next = (caches->missed_next + 1) % DATA_CACHE_STREAMS;
    return false;
}

static void touch_line(struct data_caches *caches, uint64_t line, struct misses *misses)
{
    if (line + 1 == caches->last_line) { /* the most recently used one of its set already */
        return;
    }
    caches->last_line = line + 1;
    bool streamed = false;
    for (size_t i = 0; i < caches->level_count && !take(&caches->levels[i], line); i++) {
        if (i == 0) {
            streamed = is_streamed(caches, line);
        }
        *(streamed ? &misses[i].streamed : &misses[i].other) += 1;
    }
}

void data_caches_touch(struct data_caches *caches, uint64_t address, uint64_t bytes,
                       struct misses *misses)
{
    const uint64_t first = address >> LINE_SHIFT;
    const uint64_t last = (address + bytes - 1) >> LINE_SHIFT;
    touch_line(caches, first, misses);
    if (last != first) {
        touch_line(caches, last, misses);
    }
}
