/* What the engine knows of each kind of operation: one row a kind. */
#ifndef EDGEPRUNE_KINDS_H
#define EDGEPRUNE_KINDS_H

#include "check.h"

typedef void ep_runner(const struct ep_engine *engine, const struct ep_plan_op *op, const void *args);

struct ep_kind_entry {
    size_t args_bytes;
    ep_judge *is_good;
    ep_runner *run;
};

/* NULL if this firmware has no kernel for the operation. */
const struct ep_kind_entry *ep_kind_of(const struct ep_plan_op *op);

#endif
