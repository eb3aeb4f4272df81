#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "hold.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "watchdog.h"

enum { AGENT_END, WATCHDOG_END };

static struct settings *settings;
static int watchdog = -1; /* the agent's end of the socket; -1: nothing is held */

/* The path of a program as a shell would find it, or an empty one. Only folders with a full name
 * count: what the agent runs must not depend on where it was started. */
static void find_program(const char *name, char *path, size_t room)
{
    const char *folders = getenv("PATH");
    for (const char *at = folders == NULL ? "/system/bin:/usr/bin:/bin" : folders; *at != '\0';) {
        size_t bytes = strcspn(at, ":");
        int length = snprintf(path, room, "%.*s/%s", (int)bytes, at, name);
        if (*at == '/' && length > 0 && (size_t)length < room && access(path, X_OK) == 0) {
            return;
        }
        at += bytes + (at[bytes] == ':');
    }
    path[0] = '\0';
}

static bool parse(const char *text, struct failure *failure)
{
    for (settings->count = 0; *text != '\0'; settings->count++) {
        size_t bytes = strcspn(text, "\n");
        if (settings->count == SETTINGS_LIMIT) {
            return fail(failure, "more than %d settings cannot be held", SETTINGS_LIMIT);
        }
        if (!setting_parse(&settings->all[settings->count], text, bytes)) {
            return fail(failure, "%.*s is no setting that may be held", (int)bytes, text);
        }
        text += bytes + (text[bytes] == '\n');
    }
    return settings->count > 0 || fail(failure, "no settings to hold");
}

static bool held(char answer, struct failure *failure)
{
    const struct setting *setting = &settings->all[settings->failed];
    switch (answer) {
    case SAYS_HELD: return true;
    case SAYS_BUSY:
        return fail(failure, "another agent on this device holds settings, or %s cannot be locked",
                    LOCKED_FOLDER);
    case SAYS_BLIND:
        return fail(failure, "the watchdog cannot close the agent's files: /proc/self/fd: %s",
                    strerror(settings->error));
    case SAYS_FAILED:
        return fail(failure, "%s cannot be set to %s: %s; it was %s", setting->name,
                    setting->wanted, strerror(settings->error),
                    setting->before[0] == '\0' ? "not readable" : setting->before);
    default: return fail(failure, "the watchdog ended");
    }
}

/* A line for each setting, as the text of one JSON string needs it: ended by a zero byte. */
static void line(struct text *text, const char *name, const char *value)
{
    text_raw(text, text->bytes > 0 ? "\n" : "");
    text_raw(text, name);
    text_raw(text, value);
}

static void end_string(struct text *text)
{
    text_raw(text, "");
    struct text zero = {.data = (char[]){'\0'}, .bytes = 1};
    text_append(text, &zero);
}

static void let_go(void)
{
    close(watchdog);
    watchdog = -1;
}

bool hold(const char *text, struct text *before, struct failure *failure)
{
    int ends[2];
    if (watchdog >= 0) {
        return fail(failure, "settings are held already: release them first");
    }
    if (settings == NULL) {
        void *shared = mmap(NULL, sizeof *settings, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        settings = shared == MAP_FAILED ? NULL : shared;
    }
    if (settings == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return fail(failure, "no memory or socket for a watchdog: %s", strerror(errno));
    }
    watchdog = ends[AGENT_END];
    bool good = parse(text, failure);
    char program[SETTING_PROGRAM_BYTES];
    find_program(SETTING_PROGRAM, program, sizeof program);
    setting_prepare(program);
    if (good && !watchdog_start(settings, ends[WATCHDOG_END], ends[AGENT_END])) {
        good = fail(failure, "no process could be made for a watchdog");
    }
    close(ends[WATCHDOG_END]);
    good = good && held(watchdog_hear(watchdog), failure);
    for (size_t i = 0; i < settings->count && good; i++) {
        line(before, settings->all[i].before, "");
    }
    end_string(before);
    if (!good) {
        let_go();
    }
    return good;
}

bool release(struct text *not_restored, struct failure *failure)
{
    if (watchdog < 0) {
        return fail(failure, "no settings are held");
    }
    bool restored = watchdog_say(watchdog, RELEASE) && watchdog_hear(watchdog) == SAYS_RESTORED;
    let_go();
    for (size_t i = 0; i < settings->count && restored; i++) {
        const struct setting *setting = &settings->all[i];
        if (setting->state == SETTING_CHANGED_BY_OTHERS) {
            line(not_restored, setting->name, ": somebody set it to ");
            text_raw(not_restored, setting->found);
        } else if (setting->state == SETTING_NOT_RESTORED) {
            line(not_restored, setting->name, ": ");
            text_raw(not_restored, strerror(setting->error));
        }
    }
    end_string(not_restored);
    return restored || fail(failure, "the watchdog ended: settings may not be as they were");
}
