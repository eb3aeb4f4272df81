/* Turns a container on the device's file system into the file that it holds. */
#ifndef EDGEPRUNE_UNPACK_H
#define EDGEPRUNE_UNPACK_H

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"

/* Unpacks the file `packed` to `target`, which appears whole and on the disk, or not at all. */
bool unpack_file(const char *packed, const char *target, uint64_t max_bytes, uint64_t *size,
                 struct failure *failure);

#endif
