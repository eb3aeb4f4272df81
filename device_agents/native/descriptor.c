#include "descriptor.h"

#include <errno.h>
#include <unistd.h>

ssize_t read_some(int fd, void *target, size_t room)
{
    ssize_t got = 0;
    do {
        got = read(fd, target, room);
    } while (got < 0 && errno == EINTR);
    return got;
}

bool read_all(int fd, void *target, size_t bytes)
{
    unsigned char *next = target;
    while (bytes > 0) {
        ssize_t got = read_some(fd, next, bytes);
        if (got <= 0) {
            return false;
        }
        next += got;
        bytes -= (size_t)got;
    }
    return true;
}

bool write_all(int fd, const void *source, size_t bytes)
{
    const unsigned char *next = source;
    while (bytes > 0) {
        ssize_t put = write(fd, next, bytes);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            errno = put == 0 ? EIO : errno;
            return false;
        }
        next += put;
        bytes -= (size_t)put;
    }
    return true;
}
