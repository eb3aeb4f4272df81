/* What judges of operations that visit elements in loops share. */
#ifndef EDGEPRUNE_CHECK_LOOPS_H
#define EDGEPRUNE_CHECK_LOOPS_H

#include "check.h"

/* The elements that EP_LOOPS loops visit; 0 if they are none or more than `room`. */
static inline uint64_t visited(const uint32_t sizes[EP_LOOPS], uint64_t room)
{
    uint64_t count = 1;
    for (unsigned i = 0; i < EP_LOOPS; i++) {
        if (sizes[i] == 0 || sizes[i] > room / count) {
            return 0;
        }
        count *= sizes[i];
    }
    return count;
}

/* How many bytes the loops reach over from where they begin, or something above 2^32. */
static inline uint64_t reach(const uint32_t sizes[EP_LOOPS], const uint32_t steps[EP_LOOPS])
{
    uint64_t last = 0;
    for (unsigned i = 0; i < EP_LOOPS && last <= UINT32_MAX; i++) {
        last += (uint64_t)(sizes[i] - 1) * steps[i];
    }
    return last + 1;
}

#endif
