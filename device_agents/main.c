/* The agent: reads requests on standard input, answers on standard output (PROTOCOL.md).
 *
 * A thread of its own reads all the time, so that the process ends as soon as its input closes,
 * even in the middle of an inference. It dies by that and not by PR_SET_PDEATHSIG, which follows
 * the thread that started it rather than the host's process. */
#define _GNU_SOURCE /* POLLRDHUP */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "capture.h"
#include "frame.h"
#include "serve.h"
#include "text.h"

enum { HANGUP_POLL_MS = 20 };

/* One frame on its way from the reader to the main thread. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    bool full;
    struct frame frame;
} slot = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, {0}};

/* Waits until the slot is free. Requests sent ahead must not hide that the input has closed. */
static void wait_for_slot(void)
{
    for (;;) {
        pthread_mutex_lock(&slot.lock);
        bool full = slot.full;
        pthread_mutex_unlock(&slot.lock);
        if (!full) {
            return;
        }
        struct pollfd input = {STDIN_FILENO, POLLRDHUP, 0};
        if (poll(&input, 1, HANGUP_POLL_MS) > 0 && (input.revents & (POLLHUP | POLLRDHUP)) != 0) {
            _exit(0);
        }
    }
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
        wait_for_slot();
        pthread_mutex_lock(&slot.lock);
        slot.frame = frame;
        slot.full = true;
        pthread_cond_signal(&slot.filled);
        pthread_mutex_unlock(&slot.lock);
    }
    return NULL;
}

static struct frame next_frame(void)
{
    pthread_mutex_lock(&slot.lock);
    while (!slot.full) {
        pthread_cond_wait(&slot.filled, &slot.lock);
    }
    struct frame frame = slot.frame;
    slot.full = false;
    pthread_mutex_unlock(&slot.lock);
    return frame;
}

int main(void)
{
    pthread_t reader;
    /* Frames get a descriptor of their own; what the runtime prints goes to standard error. */
    int output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (output < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        die("standard output or standard error is closed");
    }
    signal(SIGPIPE, SIG_IGN); /* a write then fails, and serve() says so */
    capture_prepare();
    if (pthread_create(&reader, NULL, read_frames, NULL) != 0) {
        die("no thread could be made to read requests");
    }
    bool more = true;
    while (more) {
        struct frame frame = next_frame();
        more = serve(&frame, output);
        frame_free(&frame);
    }
    _exit(0); /* not exit(): the reader still runs, and may not see the runtime torn down */
}
