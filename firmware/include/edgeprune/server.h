/* Answers what comes over a port's line (firmware/PROTOCOL.md). */
#ifndef EDGEPRUNE_SERVER_H
#define EDGEPRUNE_SERVER_H

/* Serves until a request asks for a new start, and then returns: start again from the beginning.
 * Everything is kept in static memory, so there is one server. */
void ep_serve(void);

#endif
