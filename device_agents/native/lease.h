/* The lease of the device, which a farm gives to one run after the other (PROTOCOL.md, "The device's
 * lease"). */
#ifndef EDGEPRUNE_LEASE_H
#define EDGEPRUNE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"

/* Takes the lease: agents of lower epochs are ended, and this one is from now on ended by a higher
 * one. `folder`: where its file lies, or empty for the device's own place. Fails where a higher epoch
 * has been here, or an older agent cannot be ended. */
bool lease_device(const char *folder, int64_t epoch, struct failure *failure);

/* Whether this agent may hand out a result: it has no lease, or its lease is still the newest. */
bool lease_holds(struct failure *failure);

#endif
