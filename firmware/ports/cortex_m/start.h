/* What start.c wants of a port beside the five functions. */
#ifndef EDGEPRUNE_START_H
#define EDGEPRUNE_START_H

/* Sets clocks, the line and the counter up. */
void ep_port_start(void);

/* Non-maskable interrupt: some flash reports a torn unit by it. Where that cannot be: ep_restart. */
void ep_port_nmi(void);

/* Starts the chip anew. */
void ep_restart(void);

#endif
