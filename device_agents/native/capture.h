/* Keeps what the runtime prints on standard error, so that an answer can carry its reason. */
#ifndef EDGEPRUNE_CAPTURE_H
#define EDGEPRUNE_CAPTURE_H

#include <stddef.h>

/* Call once: prepares the capture, and its replay should the process crash. */
void capture_prepare(void);
/* Standard error goes into memory from here on. */
void capture_begin(void);
/* Standard error is itself again, and receives what was kept. The last line with the word ERROR,
 * without its "ERROR: [file:line] ", goes into `line`; empty if there is none. */
void capture_end(char *line, size_t room);

#endif
