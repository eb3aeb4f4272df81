#include "unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../portable/epz.h"
#include "descriptor.h"

enum { PATH_LIMIT = 4096 };

struct files {
    int in, out;
    int reason; /* errno of the first call that failed */
};

static size_t read_packed(void *context, unsigned char *data, size_t room)
{
    struct files *files = context;
    ssize_t got = read_some(files->in, data, room);
    if (got < 0) {
        files->reason = errno;
    }
    return got < 0 ? 0 : (size_t)got;
}

static bool write_part(void *context, const unsigned char *data, size_t bytes)
{
    struct files *files = context;
    bool good = write_all(files->out, data, bytes);
    if (!good) {
        files->reason = errno;
    }
    return good;
}

static bool unpack_open(struct files *files, const char *packed, uint64_t max_bytes,
                        uint64_t *size, struct failure *failure)
{
    static struct epz_arena arena;
    struct epz_ends ends = {.context = files, .read = read_packed, .write = write_part};
    const char *wrong = epz_unpack(&arena, &ends, max_bytes, size);
    if (wrong != NULL && files->reason != 0) {
        return fail(failure, "%s: %s: %s", packed, wrong, strerror(files->reason));
    }
    if (wrong != NULL) {
        return fail(failure, "%s: %s", packed, wrong);
    }
    return fsync(files->out) == 0 || errno == EINVAL /* no file on a disk */ ||
           fail(failure, "%s: its content cannot be stored: %s", packed, strerror(errno));
}

/* A file that was not there before. One of that name, which an agent left that was killed or somebody
 * laid, is removed: writing to it would go through a link. */
static int open_new(const char *path)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int file = open(path, flags, 0644);
    if (file < 0 && errno == EEXIST && unlink(path) == 0) {
        file = open(path, flags, 0644);
    }
    return file;
}

bool unpack_file(const char *packed, const char *target, uint64_t max_bytes, uint64_t *size,
                 struct failure *failure)
{
    char part[PATH_LIMIT];
    int length = snprintf(part, sizeof part, "%s.part%ld", target, (long)getpid());
    if (length < 0 || (size_t)length >= sizeof part) {
        return fail(failure, "a path is longer than %d bytes", PATH_LIMIT);
    }
    struct files files = {.in = open(packed, O_RDONLY | O_CLOEXEC), .out = -1, .reason = 0};
    if (files.in < 0) {
        return fail(failure, "%s cannot be read: %s", packed, strerror(errno));
    }
    files.out = open_new(part);
    if (files.out < 0) {
        close(files.in);
        return fail(failure, "%s cannot be written: %s", part, strerror(errno));
    }
    bool good = unpack_open(&files, packed, max_bytes, size, failure);
    close(files.in);
    if (close(files.out) != 0 && good) {
        good = fail(failure, "%s cannot be written: %s", part, strerror(errno));
    }
    if (good && rename(part, target) != 0) {
        good = fail(failure, "%s cannot be renamed to %s: %s", part, target, strerror(errno));
    }
    if (!good) {
        unlink(part);
    }
    return good;
}
