/* The lock of the device: one measuring host at a time (PROTOCOL.md, "The device's lock"). It is the
 * kernel's and ends with the agent, however that ends. */
#ifndef EDGEPRUNE_LOCK_H
#define EDGEPRUNE_LOCK_H

#include <stdbool.h>

#include "failure.h"

enum { LOCK_HOLDER_BYTES = 256 };

/* Tries once. `folder`: where the lock's file lies, or empty for the device's own place. `held`
 * becomes whether this agent has the lock now; where another one has, `others` becomes the line that
 * it left, which may be empty. */
bool lock_device(const char *folder, const char *holder, bool *held,
                 char others[LOCK_HOLDER_BYTES], struct failure *failure);

/* Opens the file `name` in `folder`, or where that is empty in the first place of the device that
 * takes it; it is made for all users where it is missing. -1, with errno, where no place does. */
int open_device_file(const char *folder, const char *name);

#endif
