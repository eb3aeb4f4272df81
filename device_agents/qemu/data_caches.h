/* Data caches of a core, level behind level, and what misses them.
 *
 * Lines of 64 bytes; the least recently used one of a set goes; a store fetches its line as a load does.
 * What is written back, translated or fetched ahead is not simulated. Instead a miss of the first level
 * is called streamed where its line lies up to two behind or one before a line of the last
 * DATA_CACHE_STREAMS that missed there: prefetchers see such. It stays so at further levels.
 */
#ifndef EDGEPRUNE_DATA_CACHES_H
#define EDGEPRUNE_DATA_CACHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DATA_CACHE_LEVELS = 3, DATA_CACHE_STREAMS = 16 };

struct misses {
    uint64_t streamed, other;
};

struct data_cache {
    size_t sets, ways;
    uint64_t *lines; /* of each set, the most recently used one first */
};

/* All zero: no cache. */
struct data_caches {
    struct data_cache levels[DATA_CACHE_LEVELS];
    size_t level_count;
    uint64_t missed[DATA_CACHE_STREAMS]; /* where each stream was last */
    size_t missed_next;
    uint64_t last_line; /* plus one */
};

/* Adds a level behind the others; false where it is none, or there is no memory for it. */
bool data_caches_add(struct data_caches *caches, uint64_t bytes, uint64_t ways);

/* A load or store of at most 64 bytes; `misses` of each level that it misses are added to. */
void data_caches_touch(struct data_caches *caches, uint64_t address, uint64_t bytes,
                       struct misses *misses);

#endif
