/* The agent: reads requests on standard input, answers on standard output (PROTOCOL.md).
 *
 * A thread of its own reads all the time, so that the process ends as soon as its input closes,
 * even in the middle of an inference. It dies by that and not by PR_SET_PDEATHSIG, which follows
 * the thread that started it rather than the host's process.
 *
 * The threads share nothing but two pipes: frames go one way, permits to send the next one go the
 * other. A lock would do, but what it costs depends on who comes first, and instructions are
 * counted: through a pipe they are the same however the threads run. */
#define _GNU_SOURCE /* POLLRDHUP and pipe2 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "capture.h"
#include "descriptor.h"
#include "failure.h"
#include "frame.h"
#include "serve.h"

enum { READ_END, WRITE_END };

/* Seconds without a request after which the agent ends: a pulled cable closes no input for as long
 * as the device's sshd does not notice, which by default is hours. */
enum { IDLE_S = 300, IDLE_LIMIT_S = 86400 };

static int frames[2];  /* whole struct frames, which POSIX writes in one piece */
static int permits[2]; /* one byte each */

static void put(const int *pipe_ends, const void *item, size_t bytes)
{
    if (!write_all(pipe_ends[WRITE_END], item, bytes)) {
        die("a pipe between the agent's threads is broken");
    }
}

static void get(const int *pipe_ends, void *item, size_t bytes)
{
    if (!read_all(pipe_ends[READ_END], item, bytes)) {
        die("a pipe between the agent's threads is broken");
    }
}

/* Waits for a permit. Requests sent ahead must not hide that the input has closed. */
static void wait_for_permit(void)
{
    char permit = 0;
    struct pollfd ready[2] = {{permits[READ_END], POLLIN, 0}, {STDIN_FILENO, POLLRDHUP, 0}};
    while (poll(ready, 2, -1) < 0) {
        if (errno != EINTR) {
            die("the agent's input cannot be watched");
        }
    }
    if ((ready[1].revents & (POLLHUP | POLLRDHUP)) != 0) {
        _exit(0);
    }
    get(permits, &permit, sizeof permit);
}

static void *read_frames(void *unused)
{
    (void)unused;
    for (;;) {
        struct frame frame;
        const char *why = NULL;
        enum frame_result result = frame_read(STDIN_FILENO, &frame, &why);
        if (result == FRAME_BAD) {
            fprintf(stderr, "edgeprune-agent: %s\n", why);
            _exit(2);
        }
        if (result == FRAME_END) {
            _exit(0);
        }
        wait_for_permit();
        put(frames, &frame, sizeof frame);
    }
    return NULL;
}

/* Waits for the next request, or ends the agent after `idle_s` seconds without one. */
static struct frame next_frame(int idle_s)
{
    struct frame frame;
    struct pollfd ready = {frames[READ_END], POLLIN, 0};
    int found = 0;
    do {
        found = poll(&ready, 1, idle_s * 1000);
    } while (found < 0 && errno == EINTR);
    if (found == 0) {
        fprintf(stderr, "edgeprune-agent: no request for %d s\n", idle_s);
        _exit(0);
    }
    get(frames, &frame, sizeof frame);
    return frame;
}

/* Digits alone, 1 to IDLE_LIMIT_S; 0 for everything else. */
static int seconds_of(const char *argument)
{
    int seconds = 0;
    for (; *argument >= '0' && *argument <= '9' && seconds <= IDLE_LIMIT_S; argument++) {
        seconds = seconds * 10 + (*argument - '0');
    }
    return *argument == '\0' && seconds <= IDLE_LIMIT_S ? seconds : 0;
}

/* Its one argument, which may be left out, is another number of seconds for IDLE_S. */
int main(int argc, char **argv)
{
    int idle_s = argc > 1 ? seconds_of(argv[1]) : IDLE_S;
    if (argc > 2 || idle_s == 0) {
        die("takes one argument at most: a number of seconds from 1 to 86400");
    }
    pthread_t reader;
    /* Frames get a descriptor of their own; what the runtime prints goes to standard error. */
    int output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (output < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        die("standard output or standard error is closed");
    }
    if (pipe2(frames, O_CLOEXEC) != 0 || pipe2(permits, O_CLOEXEC) != 0) {
        die("no pipe could be made");
    }
    signal(SIGPIPE, SIG_IGN); /* a write then fails, and serve() says so */
    capture_prepare();
    if (pthread_create(&reader, NULL, read_frames, NULL) != 0) {
        die("no thread could be made to read requests");
    }
    bool more = true;
    put(permits, "p", 1);
    while (more) {
        struct frame frame = next_frame(idle_s);
        put(permits, "p", 1);
        more = serve(&frame, output);
    }
    _exit(0); /* not exit(): the reader still runs, and may not see the runtime torn down */
}
