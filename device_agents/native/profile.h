/* Which kernels an inference runs, and for how long, as the runtime's profiler tells it. */
#ifndef EDGEPRUNE_PROFILE_H
#define EDGEPRUNE_PROFILE_H

#include "../portable/text.h"
#include "runtime.h"

/* Runs the model `runs` times and appends `, "tags": [...], "events": [...]` (PROTOCOL.md). */
bool profile_runs(struct model *model, size_t runs, struct text *answer, struct failure *failure);

#endif
