/* The process that holds settings and restores them: it outlives the agent and sees its end at a socket.
 *
 * It is forked from a process with threads, any of which may have held a lock at that moment, and
 * runs no other program: all that it calls, here and in setting.c, must be allowed between fork and
 * exec (signal-safety(7)). So it allocates nothing and prints nothing. */
#ifndef EDGEPRUNE_WATCHDOG_H
#define EDGEPRUNE_WATCHDOG_H

#include <stdbool.h>
#include <stddef.h>

#include "setting.h"

enum { SETTINGS_LIMIT = 512 };

/* Every holder on the device locks this folder, so that none takes another's value for what was
 * there before. The lock goes with the process. */
#define LOCKED_FOLDER "/sys/devices/system/cpu"

/* What the watchdog says, and what it is told. */
enum {
    SAYS_HELD = 'h',
    SAYS_BUSY = 'b',
    SAYS_FAILED = 'f',
    SAYS_BLIND = 'n', /* it cannot see which descriptors it has of the agent */
    SAYS_RESTORED = 'r',
    RELEASE = 'R'
};

/* Seen by both processes; only the watchdog writes `state`, `failed` and `error` once it runs. */
struct settings {
    size_t count;
    size_t failed; /* which one could not be set, */
    int error;     /* and the errno of that */
    struct setting all[SETTINGS_LIMIT];
};

/* Starts it with its end of a socket; `other_end` is the agent's. It holds all settings or none, says
 * what became of that, and restores them once it hears RELEASE or the agent is gone. False if no
 * process could be made. */
bool watchdog_start(struct settings *settings, int channel, int other_end);

/* One byte over the socket, from either end. */
bool watchdog_say(int channel, char what);
/* What the other end said; 0 if it is gone. */
char watchdog_hear(int channel);

#endif
