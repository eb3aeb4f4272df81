/* One request in, one answer out. */
#ifndef EDGEPRUNE_SERVE_H
#define EDGEPRUNE_SERVE_H

#include <stdbool.h>

#include "frame.h"

/* Carries out one request and writes its answer to `output`. False if the process should end:
 * after `quit`, or because nobody reads any more. Changes the frame's JSON. */
bool serve(struct frame *request, int output);

#endif
