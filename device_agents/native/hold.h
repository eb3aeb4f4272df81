/* Holds settings of the device, and restores them whatever becomes of the agent (PROTOCOL.md, "Held
 * settings"). A process of its own does both: watchdog.h. */
#ifndef EDGEPRUNE_HOLD_H
#define EDGEPRUNE_HOLD_H

#include <stdbool.h>

#include "../portable/text.h"
#include "failure.h"

/* Makes all `settings`, one a line, or none. `before` becomes a string of what they were, one a
 * line, in their order. */
bool hold(const char *settings, struct text *before, struct failure *failure);

/* Restores them. `not_restored` becomes a string of lines "NAME: why", which may be empty. */
bool release(struct text *not_restored, struct failure *failure);

#endif
