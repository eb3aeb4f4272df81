#define _GNU_SOURCE /* flock */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_FILE "edgeprune-device.lock"
enum { PATH_LIMIT = 4096, TRIES = 8 };

/* Folders that every user of a device may write to; the first one that takes the file is the
 * device's place for it: a phone has the first, a board the second. */
static const char *const FOLDERS[] = {"/data/local/tmp", "/tmp", "/var/tmp", "/dev/shm"};

static int locked = -1; /* open and locked until the agent ends */

/* The file, made for all users where it is missing. One that may not be written can be locked too. */
static int open_file(const char *path)
{
    const int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    for (int i = 0; i < TRIES; i++) {
        int file = open(path, O_RDWR | flags);
        if (file < 0 && errno == EACCES) {
            file = open(path, O_RDONLY | flags);
        }
        if (file >= 0 || errno != ENOENT) {
            return file;
        }
        file = open(path, O_RDWR | O_CREAT | O_EXCL | flags, 0666);
        if (file >= 0) {
            (void)fchmod(file, 0666); /* whatever this user's umask is */
            return file;
        }
        if (errno != EEXIST) {
            return -1;
        }
    }
    return -1;
}

/* Whether `file` is a small regular file that still has its name, and no other. */
static bool is_lock_file(int file, const char *path)
{
    struct stat opened, there;
    return fstat(file, &opened) == 0 && lstat(path, &there) == 0 && S_ISREG(opened.st_mode) &&
           opened.st_nlink == 1 && opened.st_size <= LOCK_HOLDER_BYTES &&
           opened.st_dev == there.st_dev && opened.st_ino == there.st_ino;
}

static void write_holder(int file, const char *holder)
{
    size_t bytes = strlen(holder);
    bytes = bytes < LOCK_HOLDER_BYTES ? bytes : LOCK_HOLDER_BYTES - 1;
    /* Who has it is for people: the lock holds without. */
    if (ftruncate(file, 0) == 0) {
        (void)!pwrite(file, holder, bytes, 0);
    }
}

static void read_holder(int file, char others[LOCK_HOLDER_BYTES])
{
    ssize_t got = pread(file, others, LOCK_HOLDER_BYTES - 1, 0);
    others[got < 0 ? 0 : got] = '\0';
    others[strcspn(others, "\r\n")] = '\0';
}

/* Tries one place: false if no file can be locked there, with the errno of that. */
static bool try_folder(const char *folder, const char *holder, bool *held,
                       char others[LOCK_HOLDER_BYTES])
{
    char path[PATH_LIMIT];
    int length = snprintf(path, sizeof path, "%s/%s", folder, LOCK_FILE);
    if (length < 0 || (size_t)length >= sizeof path) {
        errno = ENAMETOOLONG;
        return false;
    }
    for (int i = 0; i < TRIES; i++) {
        int file = open_file(path);
        if (file < 0) {
            return false;
        }
        bool is_ours = flock(file, LOCK_EX | LOCK_NB) == 0;
        if (!is_ours && errno != EWOULDBLOCK) {
            int reason = errno;
            close(file);
            errno = reason;
            return false;
        }
        if (is_lock_file(file, path)) {
            *held = is_ours;
            if (is_ours) {
                locked = file;
                write_holder(file, holder);
            } else {
                read_holder(file, others);
                close(file);
            }
            return true;
        }
        close(file); /* removed meanwhile, or no file of ours */
    }
    errno = EBUSY;
    return false;
}

int open_device_file(const char *folder, const char *name)
{
    char path[PATH_LIMIT];
    size_t places = folder[0] != '\0' ? 1 : sizeof FOLDERS / sizeof FOLDERS[0];
    for (size_t i = 0; i < places; i++) {
        const char *place = folder[0] != '\0' ? folder : FOLDERS[i];
        int length = snprintf(path, sizeof path, "%s/%s", place, name);
        if (length < 0 || (size_t)length >= sizeof path) {
            errno = ENAMETOOLONG;
            continue;
        }
        int file = open_file(path);
        if (file >= 0 && is_lock_file(file, path)) {
            return file;
        }
        if (file >= 0) {
            close(file);
            errno = EBUSY;
        }
    }
    return -1;
}

bool lock_device(const char *folder, const char *holder, bool *held,
                 char others[LOCK_HOLDER_BYTES], struct failure *failure)
{
    *held = locked >= 0;
    others[0] = '\0';
    if (*held) {
        return true;
    }
    if (folder[0] != '\0') {
        return try_folder(folder, holder, held, others) ||
               fail(failure, "no lock in %s: %s", folder, strerror(errno));
    }
    for (size_t i = 0; i < sizeof FOLDERS / sizeof FOLDERS[0]; i++) {
        if (try_folder(FOLDERS[i], holder, held, others)) {
            return true;
        }
    }
    return fail(failure, "no lock in /data/local/tmp, /tmp, /var/tmp or /dev/shm: %s",
                strerror(errno));
}
