/* Reads files, and the output of one command, at a fixed rate in a thread of its own: a meter on the
 * device. It runs in an agent that times nothing, so that no measured process carries its cost. */
#ifndef EDGEPRUNE_SAMPLE_H
#define EDGEPRUNE_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"

struct sampling {
    const char *files;   /* paths, one a line; may be empty */
    const char *command; /* for sh; empty: none */
    int64_t period_ns;
};

/* Starts the thread. Strings are copied. */
bool sample_start(const struct sampling *sampling, struct failure *failure);

/* Ends the thread and hands over its samples (PROTOCOL.md, "Samples"); the caller frees *blob. */
bool sample_stop(unsigned char **blob, size_t *bytes, struct failure *failure);

#endif
