/* Whole reads and writes on file descriptors, which may be cut short or interrupted. */
#ifndef EDGEPRUNE_DESCRIPTOR_H
#define EDGEPRUNE_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Once, up to `room` bytes: their number, 0 at the end, -1 with errno. */
ssize_t read_some(int fd, void *target, size_t room);

/* Exactly `bytes`; false at the end of what there is, or with errno on a broken descriptor. */
bool read_all(int fd, void *target, size_t bytes);

/* All `bytes`; false with errno, which is EIO for a descriptor that takes nothing and says no more. */
bool write_all(int fd, const void *source, size_t bytes);

#endif
