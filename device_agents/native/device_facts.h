/* What the agent can say about the device that it runs on. */
#ifndef EDGEPRUNE_DEVICE_FACTS_H
#define EDGEPRUNE_DEVICE_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../portable/text.h"

/* Appends `"os": ..., "machine": ..., "cpu": ..., "cores": ..., "features": [...], "pid": ...`. */
void device_facts(struct text *answer);

/* Largest memory of this process so far, in bytes; -1 if the kernel does not say. */
int64_t peak_memory_bytes(void);

/* Pins this process to the given cores. NULL if it is done, else what is wrong. */
const char *pin_to_cores(const int64_t *cores, size_t count);

#endif
