/* One setting of the device that may be held for a while: which there are, reading and writing it. */
#ifndef EDGEPRUNE_SETTING_H
#define EDGEPRUNE_SETTING_H

#include <stdbool.h>
#include <stddef.h>

enum { SETTING_NAME_BYTES = 96, SETTING_VALUE_BYTES = 32, SETTING_PROGRAM_BYTES = 4096 };
#define SETTING_PROGRAM "cmd" /* Android's; sets what is no file */

enum setting_state {
    SETTING_AS_BEFORE, /* not changed, or restored */
    SETTING_HELD,
    SETTING_CHANGED_BY_OTHERS, /* left alone: `found` is what it held instead */
    SETTING_NOT_RESTORED       /* `error` is why */
};

struct setting {
    char name[SETTING_NAME_BYTES]; /* a file's path, or FIXED_PERFORMANCE_MODE */
    char wanted[SETTING_VALUE_BYTES];
    char before[SETTING_VALUE_BYTES];
    char found[SETTING_VALUE_BYTES];
    enum setting_state state;
    int error; /* errno of what failed last, 0 */
};

/* Takes a line NAME=VALUE apart. False for any name but those of PROTOCOL.md, "Held settings", and
 * for a value that is no word: the agent must not become a way to write files. */
bool setting_parse(struct setting *setting, const char *line, size_t bytes);

/* Says where SETTING_PROGRAM is, before the fork: looking for it is not allowed behind. */
void setting_prepare(const char *path);

/* These make only calls that are allowed between fork and exec, and set `error`. All settings are
 * looked at before the first is held: cores of one cluster share a governor. */
bool setting_look(struct setting *setting);
bool setting_hold(struct setting *setting);
void setting_restore(struct setting *setting);

#endif
