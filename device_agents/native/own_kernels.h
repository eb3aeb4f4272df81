/* Operators `edgeprune.conv.N` of a model: registered with the runtime, which then calls
 * `kernels/` for them. N keeps layers apart, as the runtime hands over a state for each name. */
#ifndef EDGEPRUNE_OWN_KERNELS_H
#define EDGEPRUNE_OWN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

#include "failure.h"
#include "litert_api.h"

struct own_kernels; /* the layers of one model */

/* Registers a kernel for each such operator of the graph; *own stays NULL where there is none. The
 * model's file and the API must outlive what is made. */
bool own_kernels_register(struct own_kernels **own, const struct litert_api *api,
                          litert_subgraph graph, litert_options options, struct failure *failure);

/* Lets so many threads share each layer, the caller's among them; before the model is compiled. */
bool own_kernels_use_threads(struct own_kernels *own, int threads, struct failure *failure);

/* Whether every layer was ready when it was last looked at, and no run went wrong since: the runtime
 * does not pass on what a kernel returns. True for NULL. */
bool own_kernels_good(const struct own_kernels *own, struct failure *failure);

/* Whether a layer was refused so far: what became of the model by that needs no other words. */
bool own_kernels_refused(const struct own_kernels *own, struct failure *failure);

/* How many layers there are; 0 for NULL. */
size_t own_kernels_count(const struct own_kernels *own);

/* What a profile calls such an operator: its name and the kernel that this processor has for it.
 * `tag` itself for every other; `room` is for the longer name. */
const char *own_kernels_tag(const char *tag, char *room, size_t bytes);

/* After the compiled model is gone. Nothing is done for NULL. */
void own_kernels_free(struct own_kernels *own);

#endif
