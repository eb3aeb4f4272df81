#define _GNU_SOURCE /* flock and syscall */
#include "watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOCK_TIMEOUT_MS = 3000, LOCK_POLL_MS = 20 }; /* a watchdog restores within milliseconds */

/* What the kernel writes for each file of a folder. Source: getdents64(2). */
struct entry {
    uint64_t inode;
    int64_t offset;
    unsigned short bytes;
    unsigned char type;
    char name[];
};

bool watchdog_say(int channel, char what)
{
    return send(channel, &what, 1, MSG_NOSIGNAL) == 1;
}

char watchdog_hear(int channel)
{
    char what = 0;
    ssize_t got = 0;
    do {
        got = recv(channel, &what, 1, 0);
    } while (got < 0 && errno == EINTR);
    return got == 1 ? what : '\0';
}

/* The number that a file of /proc/self/fd is called, -1 for "." and "..". */
static int number_of(const char *name)
{
    int number = 0;
    for (; *name >= '0' && *name <= '9'; name++) {
        number = number * 10 + (*name - '0');
    }
    return *name == '\0' ? number : -1;
}

/* The host must not wait for the agent's pipes to close because the watchdog has them too. Every
 * descriptor is closed, whatever its number: the kernel lists them, and goes on behind the last
 * one that it listed though that is closed by then. */
static bool keep_only(int channel)
{
    _Alignas(struct entry) char list[2048];
    for (int fd = 0; fd <= STDERR_FILENO; fd++) { /* also makes room for the folder */
        close(fd);
        (void)open("/dev/null", O_RDWR); /* takes the lowest number that is free */
    }
    int folder = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    long bytes = 0;
    while (folder >= 0 && (bytes = syscall(SYS_getdents64, folder, list, sizeof list)) > 0) {
        for (long at = 0; at < bytes; at += ((struct entry *)(list + at))->bytes) {
            int fd = number_of(((struct entry *)(list + at))->name);
            if (fd > STDERR_FILENO && fd != channel && fd != folder) {
                close(fd);
            }
        }
    }
    int error = errno;
    close(folder);
    errno = error;
    return folder >= 0 && bytes == 0;
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

static void restore_all(struct settings *settings)
{
    for (size_t i = settings->count; i > 0; i--) {
        setting_restore(&settings->all[i - 1]);
    }
}

static bool for_all(struct settings *settings, bool (*act)(struct setting *setting))
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

static bool hold_all(struct settings *settings)
{
    if (for_all(settings, setting_look) && for_all(settings, setting_hold)) {
        return true;
    }
    restore_all(settings);
    return false;
}

static _Noreturn void watch(struct settings *settings, int channel)
{
    /* What ends the agent and its session must not end what cleans up behind it. */
    static const int IGNORED[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE};
    for (size_t i = 0; i < sizeof IGNORED / sizeof IGNORED[0]; i++) {
        signal(IGNORED[i], SIG_IGN);
    }
    if (!keep_only(channel)) {
        settings->error = errno;
        watchdog_say(channel, SAYS_BLIND);
    } else if (!lock()) {
        watchdog_say(channel, SAYS_BUSY);
    } else if (!hold_all(settings)) {
        watchdog_say(channel, SAYS_FAILED);
    } else {
        watchdog_say(channel, SAYS_HELD);
        watchdog_hear(channel); /* RELEASE, or the end of the agent */
        restore_all(settings);
        watchdog_say(channel, SAYS_RESTORED);
    }
    _exit(0);
}

/* A grandchild in a session of its own: whoever kills the agent's session, or walks from the agent
 * to its children, does not meet it. */
bool watchdog_start(struct settings *settings, int channel, int other_end)
{
    pid_t child = fork();
    if (child == 0) {
        close(other_end);
        setsid();
        pid_t grandchild = fork();
        if (grandchild == 0) {
            watch(settings, channel);
        }
        _exit(grandchild < 0 ? 1 : 0);
    }
    int status = 1;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return child > 0 && status == 0;
}
