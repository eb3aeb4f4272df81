/* The commands that need the model: `load` brings it, the others run it. */
#ifndef EDGEPRUNE_MODEL_COMMANDS_H
#define EDGEPRUNE_MODEL_COMMANDS_H

#include <stdbool.h>

#include "call.h"

bool load_model(struct call *call);
bool infer(struct call *call);
bool time_runs(struct call *call);
bool profile_model(struct call *call);

/* Of this process, with or without a model. */
bool tell_memory(struct call *call);

bool model_is_loaded(void);

#endif
