#define _GNU_SOURCE /* MAP_ANONYMOUS and flock */
#include "hold.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "setting.h"

enum { SETTINGS_LIMIT = 512 };
enum { LOCK_TIMEOUT_MS = 3000, LOCK_POLL_MS = 20 }; /* a watchdog restores within milliseconds */
enum { FDS_LIMIT = 1024 };
enum { AGENT_END, WATCHDOG_END };

/* What the watchdog says, and what it is told. */
enum { SAYS_HELD = 'h', SAYS_BUSY = 'b', SAYS_FAILED = 'f', SAYS_RESTORED = 'r', RELEASE = 'R' };

/* Every holder on the device locks this folder, so that none takes another's value for what was
 * there before. The lock goes with the process. */
static const char LOCKED_FOLDER[] = "/sys/devices/system/cpu";

/* Seen by both processes; only the watchdog writes `state` once it runs. */
struct settings {
    size_t count;
    size_t failed; /* which one could not be set, */
    int error;     /* and the errno of that */
    struct setting all[SETTINGS_LIMIT];
};

static struct settings *settings;
static int watchdog = -1; /* the agent's end of the socket; -1: nothing is held */

static bool say(int channel, char what)
{
    return send(channel, &what, 1, MSG_NOSIGNAL) == 1;
}

/* What the other end said; 0 if it is gone. */
static char hear(int channel)
{
    char what = 0;
    ssize_t got = 0;
    do {
        got = recv(channel, &what, 1, 0);
    } while (got < 0 && errno == EINTR);
    return got == 1 ? what : '\0';
}

/* ---- The watchdog: after fork() in a process with threads it may call little, and no malloc. ---- */

/* The host must not wait for the agent's pipes to close because the watchdog has them too. */
static void keep_only(int channel)
{
    for (int fd = 0; fd < FDS_LIMIT; fd++) {
        if (fd != channel) {
            close(fd);
        }
    }
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        (void)open("/dev/null", O_RDWR); /* takes the lowest number that is free */
    }
}

static bool lock(void)
{
    int folder = open(LOCKED_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int waited_ms = 0; flock(folder, LOCK_EX | LOCK_NB) != 0; waited_ms += LOCK_POLL_MS) {
        if (folder < 0 || errno != EWOULDBLOCK || waited_ms >= LOCK_TIMEOUT_MS) {
            return false;
        }
        poll(NULL, 0, LOCK_POLL_MS);
    }
    return true;
}

static void restore_all(void)
{
    for (size_t i = settings->count; i > 0; i--) {
        setting_restore(&settings->all[i - 1]);
    }
}

static bool for_all(bool (*act)(struct setting *setting))
{
    for (size_t i = 0; i < settings->count; i++) {
        if (!act(&settings->all[i])) {
            settings->failed = i;
            settings->error = settings->all[i].error;
            return false;
        }
    }
    return true;
}

static bool hold_all(void)
{
    if (for_all(setting_look) && for_all(setting_hold)) {
        return true;
    }
    restore_all();
    return false;
}

static _Noreturn void watch(int channel)
{
    /* What ends the agent and its session must not end what cleans up behind it. */
    static const int IGNORED[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE};
    for (size_t i = 0; i < sizeof IGNORED / sizeof IGNORED[0]; i++) {
        signal(IGNORED[i], SIG_IGN);
    }
    keep_only(channel);
    if (!lock()) {
        say(channel, SAYS_BUSY);
    } else if (!hold_all()) {
        say(channel, SAYS_FAILED);
    } else {
        say(channel, SAYS_HELD);
        hear(channel); /* RELEASE, or the end of the agent */
        restore_all();
        say(channel, SAYS_RESTORED);
    }
    _exit(0);
}

/* ---- The agent ---- */

/* A grandchild in a session of its own: whoever kills the agent's session, or walks from the agent
 * to its children, does not meet it. */
static bool start_watchdog(int channel, int other_end)
{
    pid_t child = fork();
    if (child == 0) {
        close(other_end);
        setsid();
        pid_t grandchild = fork();
        if (grandchild == 0) {
            watch(channel);
        }
        _exit(grandchild < 0 ? 1 : 0);
    }
    int status = 1;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return child > 0 && status == 0;
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
    if (good && !start_watchdog(ends[WATCHDOG_END], ends[AGENT_END])) {
        good = fail(failure, "no process could be made for a watchdog");
    }
    close(ends[WATCHDOG_END]);
    good = good && held(hear(watchdog), failure);
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
    bool restored = say(watchdog, RELEASE) && hear(watchdog) == SAYS_RESTORED;
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
