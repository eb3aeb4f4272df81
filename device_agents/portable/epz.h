/* Unpacks a container `.epz` (docs/epz.md) in an arena of fixed size, a chunk at a time. */
#ifndef EDGEPRUNE_EPZ_H
#define EDGEPRUNE_EPZ_H

#include <stdint.h>

#include "epz_inflate.h"
#include "epz_stream.h"
#include "epz_weights.h"

enum { EPZ_STORE = 65536 };

/* All the memory that unpacking takes, about 170 KiB; its content before does not matter. */
struct epz_arena {
    struct epz_stream stream;
    struct inflate inflate;
    struct weights weights;
    unsigned char store[EPZ_STORE];
};

/* Reads a container to its end and writes its content.
 *
 * NULL if all is well, and *size is the content's; else what is wrong, in one line, and what was
 * written is worth nothing. At most `max_bytes` are written. */
const char *epz_unpack(struct epz_arena *arena, const struct epz_ends *ends, uint64_t max_bytes,
                       uint64_t *size);

#endif
