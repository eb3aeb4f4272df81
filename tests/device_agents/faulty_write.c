/* Loaded before the agent's C library: write() to a file whose name has ".part" in it is as FAULT says.
 * "nothing": it takes no byte and says no more. "short": it takes one byte in three at a time.
 * "interrupted": every other call is. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

ssize_t write(int fd, const void *data, size_t bytes)
{
    static int calls;
    char link[64], name[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, name, sizeof name - 1);
    name[length > 0 ? length : 0] = '\0';
    const char *fault = getenv("FAULT");
    if (fault != NULL && strstr(name, ".part") != NULL) {
        if (strcmp(fault, "nothing") == 0) {
            return 0;
        }
        if (strcmp(fault, "interrupted") == 0 && calls++ % 2 == 0) {
            errno = EINTR;
            return -1;
        }
        bytes = strcmp(fault, "short") == 0 ? (bytes + 2) / 3 : bytes;
    }
    return syscall(SYS_write, fd, data, bytes);
}
