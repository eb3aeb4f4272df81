/* Threads that do a task's shares side by side, one task after the other. */
#ifndef EDGEPRUNE_KERNELS_WORKERS_H
#define EDGEPRUNE_KERNELS_WORKERS_H

#include <stddef.h>

struct workers;

/* Starts `threads` less one, as the caller is one of them; fewer where the system gives no more. NULL
 * without memory. */
struct workers *workers_start(size_t threads);

/* Threads that there are, the caller's among them; 1 for NULL. */
size_t workers_count(const struct workers *workers);

/* Calls task(context, thread, share) once for each share from 0 to shares - 1, in whichever of the
 * threads is free first, and comes back when all are done; `thread` is below workers_count. The caller
 * does what no other thread has begun, so that it waits for none that the system does not run. One call
 * at a time. */
void workers_run(struct workers *workers, size_t shares,
                 void (*task)(void *context, size_t thread, size_t share), void *context);

/* Ends the threads. Nothing is done for NULL. */
void workers_end(struct workers *workers);

#endif
