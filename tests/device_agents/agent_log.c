/* Linked into an agent with -Wl,--wrap=lease_device,--wrap=serve: beside the lease's file it writes down
 * when it took which lease, and from when to when it served a request under it.
 *
 *     lease EPOCH PID NS
 *     served EPOCH PID BEGIN_NS END_NS */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "../../device_agents/native/frame.h"
#include "../../device_agents/native/lease.h"

bool __real_lease_device(const char *folder, int64_t epoch, struct failure *failure);
bool __real_serve(const struct frame *frame, int output);
bool __wrap_lease_device(const char *folder, int64_t epoch, struct failure *failure);
bool __wrap_serve(const struct frame *frame, int output);

static int log_file = -1;
static int64_t our_epoch;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void note(const char *what, const char *rest)
{
    char line[128];
    int bytes = snprintf(line, sizeof line, "%s %" PRId64 " %d %s\n", what, our_epoch, (int)getpid(), rest);
    if (log_file >= 0 && write(log_file, line, (size_t)bytes) != bytes) {
        close(log_file);
        log_file = -1;
    }
}

bool __wrap_lease_device(const char *folder, int64_t epoch, struct failure *failure)
{
    char text[4096];
    bool good = __real_lease_device(folder, epoch, failure);
    if (good && log_file < 0) {
        snprintf(text, sizeof text, "%s/agents.log", folder[0] != '\0' ? folder : "/tmp");
        log_file = open(text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        our_epoch = epoch;
        snprintf(text, sizeof text, "%" PRId64, now_ns());
        note("lease", text);
    }
    return good;
}

bool __wrap_serve(const struct frame *frame, int output)
{
    char text[64];
    int64_t begin_ns = now_ns();
    bool more = __real_serve(frame, output);
    snprintf(text, sizeof text, "%" PRId64 " %" PRId64, begin_ns, now_ns());
    note("served", text);
    return more;
}
