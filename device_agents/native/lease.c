#define _GNU_SOURCE /* flock */
#include "lease.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lock.h"

#define LEASE_FILE "edgeprune-device.lease"
enum { NUMBER_BYTES = 24, PATIENCE_MS = 3000, POLL_MS = 10 };

/* Open until the agent ends; its record lock on the byte of our epoch is what others see of us. */
static int leased = -1;
static int64_t our_epoch;

/* The epoch in the file, 0 where it holds none yet, -1 where it cannot be read. */
static int64_t read_epoch(int file)
{
    char text[NUMBER_BYTES];
    ssize_t got = pread(file, text, sizeof text - 1, 0);
    if (got < 0) {
        return -1;
    }
    text[got] = '\0';
    return strtoll(text, NULL, 10);
}

static bool write_epoch(int file, int64_t epoch)
{
    char text[NUMBER_BYTES];
    /* As many digits for every epoch: a number that is half written must never be a smaller one. */
    int bytes = snprintf(text, sizeof text, "%019" PRId64 "\n", epoch);
    return pwrite(file, text, (size_t)bytes, 0) == bytes && fsync(file) == 0;
}

/* Ends every agent whose record lock lies below `epoch`: the kernel knows their process numbers. */
static bool end_older(int file, int64_t epoch, struct failure *failure)
{
    for (int waited_ms = 0;; waited_ms += POLL_MS) {
        struct flock older = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0,
                              .l_len = (off_t)epoch};
        if (fcntl(file, F_GETLK, &older) != 0) {
            return fail(failure, "no lease: %s", strerror(errno));
        }
        if (older.l_type == F_UNLCK) {
            return true;
        }
        if (older.l_pid > 0 && kill(older.l_pid, SIGKILL) != 0 && errno != ESRCH) {
            return fail(failure, "a run of an older lease cannot be ended: %s", strerror(errno));
        }
        if (waited_ms >= PATIENCE_MS) {
            return fail(failure, "a run of an older lease did not end");
        }
        poll(NULL, 0, POLL_MS);
    }
}

static bool lock_briefly(int file)
{
    for (int waited_ms = 0; flock(file, LOCK_EX | LOCK_NB) != 0; waited_ms += POLL_MS) {
        if (errno != EWOULDBLOCK || waited_ms >= PATIENCE_MS) {
            return false;
        }
        poll(NULL, 0, POLL_MS);
    }
    return true;
}

static bool take(int file, int64_t epoch, struct failure *failure)
{
    struct flock ours = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = (off_t)epoch,
                         .l_len = 1};
    int64_t newest = lock_briefly(file) ? read_epoch(file) : -1;
    if (newest < 0) {
        return fail(failure, "no lease: its file cannot be read");
    }
    if (newest > epoch) {
        return fail(failure, "the lease of epoch %" PRId64 " is over: epoch %" PRId64
                    " has the device", epoch, newest);
    }
    if ((newest < epoch && !write_epoch(file, epoch)) || fcntl(file, F_SETLK, &ours) != 0) {
        return fail(failure, "no lease: %s", strerror(errno));
    }
    return end_older(file, epoch, failure);
}

bool lease_device(const char *folder, int64_t epoch, struct failure *failure)
{
    if (leased >= 0) {
        return epoch == our_epoch || fail(failure, "this agent has another lease");
    }
    int file = open_device_file(folder, LEASE_FILE);
    if (file < 0) {
        return fail(failure, "no place for a lease: %s", strerror(errno));
    }
    bool good = take(file, epoch, failure);
    if (!good) {
        close(file); /* which gives up the record lock as well */
        return false;
    }
    flock(file, LOCK_UN);
    leased = file;
    our_epoch = epoch;
    return true;
}

bool lease_holds(struct failure *failure)
{
    if (leased < 0) {
        return true;
    }
    int64_t newest = read_epoch(leased);
    return newest == our_epoch ||
           fail(failure, "the lease of epoch %" PRId64 " is over: epoch %" PRId64
                " has the device", our_epoch, newest);
}
