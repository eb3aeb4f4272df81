/* One request in, one answer out. */
#ifndef EDGEPRUNE_SERVE_H
#define EDGEPRUNE_SERVE_H

#include <stdbool.h>

#include "frame.h"

/* Carries out one request and writes its answer to `output`. False if the process should end:
 * after `quit`, or because nobody reads any more. Takes the frame over.
 *
 * Memory of one request is freed when the next one is served: the host may end the process once it
 * has an answer, and how far the agent got behind that answer should not show in a count of
 * instructions. */
bool serve(const struct frame *frame, int output);

#endif
