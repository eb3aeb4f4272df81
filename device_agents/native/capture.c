#define _GNU_SOURCE /* memfd_create */
#include "capture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "descriptor.h"

enum { KEPT_BYTES = 16384 };

static int kept = -1;      /* file in memory */
static int real_error = -1; /* where standard error went at the start */
static volatile sig_atomic_t capturing;

/* Copies what was kept to the real standard error. Only calls that a signal handler may make. */
static void replay(void)
{
    char part[4096];
    ssize_t got = 0;
    lseek(kept, 0, SEEK_SET);
    while ((got = read_some(kept, part, sizeof part)) > 0 &&
           write_all(real_error, part, (size_t)got)) {
    }
}

/* The last words of a process that dies inside the runtime must still reach the host. */
static void on_crash(int number)
{
    if (capturing) {
        replay();
    }
    raise(number); /* the handler was reset on entry, so this one kills */
}

void capture_prepare(void)
{
    static const int FATAL[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    real_error = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    kept = memfd_create("stderr", MFD_CLOEXEC);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_crash;
    action.sa_flags = (int)SA_RESETHAND;
    for (size_t i = 0; i < sizeof FATAL / sizeof FATAL[0]; i++) {
        struct sigaction before;
        if (sigaction(FATAL[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL) {
            sigaction(FATAL[i], &action, NULL);
        }
    }
}

void capture_begin(void)
{
    /* Without memory files (an old kernel) errors still reach the host, only not the answer. */
    if (kept < 0 || real_error < 0 || ftruncate(kept, 0) != 0 || lseek(kept, 0, SEEK_SET) < 0) {
        return;
    }
    capturing = dup2(kept, STDERR_FILENO) >= 0;
}

/* Copies the text of the last line of `log` that holds "ERROR" into `line`. */
static void last_error(char *log, char *line, size_t room)
{
    char *rest = NULL;
    for (char *at = strtok_r(log, "\n", &rest); at != NULL; at = strtok_r(NULL, "\n", &rest)) {
        char *text = strstr(at, "ERROR");
        if (text == NULL) {
            continue;
        }
        char *end_of_place = strstr(text, "] ");
        if (end_of_place != NULL) {
            text = end_of_place + 2;
        } else if (strncmp(text, "ERROR: ", 7) == 0) {
            text += 7;
        }
        size_t bytes = strnlen(text, room - 1);
        memcpy(line, text, bytes);
        line[bytes] = '\0';
    }
}

void capture_end(char *line, size_t room)
{
    static char log[KEPT_BYTES + 1];
    line[0] = '\0';
    if (!capturing) {
        return;
    }
    dup2(real_error, STDERR_FILENO);
    capturing = false;
    replay();
    off_t bytes = lseek(kept, 0, SEEK_END);
    off_t from = bytes > KEPT_BYTES ? bytes - KEPT_BYTES : 0;
    ssize_t got = pread(kept, log, KEPT_BYTES, from);
    log[got > 0 ? got : 0] = '\0';
    last_error(log, line, room);
}
