#include "sample.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../portable/little_endian.h"
#include "clock.h"
#include "descriptor.h"

enum { SOURCES_LIMIT = 64, TEXT_LIMIT = 4096 };
#define BLOB_LIMIT ((size_t)64 << 20)
#define COMMAND_FORM "( %s ) </dev/null 2>/dev/null"

static struct {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool runs;
    bool should_end; /* guarded by mutex */
    char *files;     /* the paths, a zero byte behind each */
    const char *paths[SOURCES_LIMIT];
    size_t path_count;
    char *command; /* NULL: none */
    int64_t period_ns;
    unsigned char *blob;
    size_t bytes, room;
    const char *wrong; /* why samples are missing, or NULL */
} sampler;

static bool append(const void *data, size_t bytes)
{
    if (sampler.room - sampler.bytes < bytes) {
        size_t room = sampler.room * 2 + bytes + TEXT_LIMIT;
        unsigned char *larger = room > BLOB_LIMIT ? NULL : realloc(sampler.blob, room);
        if (larger == NULL) {
            sampler.wrong = "there is no room for more samples: sample for a shorter time";
            return false;
        }
        sampler.blob = larger;
        sampler.room = room;
    }
    memcpy(sampler.blob + sampler.bytes, data, bytes);
    sampler.bytes += bytes;
    return true;
}

/* A source's bytes behind their number; -1 stands for what could not be read. */
static bool append_text(const char *text, int32_t length)
{
    unsigned char number[4];
    put_little32(number, (uint32_t)length);
    return append(number, sizeof number) && (length <= 0 || append(text, (size_t)length));
}

static int32_t read_file(const char *path, char *text)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return -1;
    }
    ssize_t got = read_some(file, text, TEXT_LIMIT);
    close(file);
    return (int32_t)got;
}

static int32_t read_command(const char *command, char *text)
{
    FILE *output = popen(command, "r");
    if (output == NULL) {
        return -1;
    }
    size_t got = fread(text, 1, TEXT_LIMIT, output);
    return pclose(output) == 0 ? (int32_t)got : -1;
}

/* One sample: the middle of the time that reading took, then what was read. */
static bool take_sample(void)
{
    char text[TEXT_LIMIT];
    size_t at = sampler.bytes;
    static const unsigned char MIDDLE[8];
    int64_t begin = now_ns();
    bool good = append(MIDDLE, sizeof MIDDLE); /* its room: it is known once all is read */
    for (size_t i = 0; i < sampler.path_count && good; i++) {
        good = append_text(text, read_file(sampler.paths[i], text));
    }
    if (sampler.command != NULL && good) {
        good = append_text(text, read_command(sampler.command, text));
    }
    int64_t end = now_ns();
    if (good) {
        put_little64(sampler.blob + at, (uint64_t)(begin + (end - begin) / 2));
    } else {
        sampler.bytes = at;
    }
    return good;
}

/* Waits until `at_ns`; false if the thread should end. */
static bool wait_until(int64_t at_ns)
{
    struct timespec at = {.tv_sec = (time_t)(at_ns / 1000000000), .tv_nsec = at_ns % 1000000000};
    pthread_mutex_lock(&sampler.mutex);
    int status = 0;
    while (!sampler.should_end && status == 0) {
        status = pthread_cond_timedwait(&sampler.wake, &sampler.mutex, &at);
    }
    bool goes_on = !sampler.should_end;
    pthread_mutex_unlock(&sampler.mutex);
    return goes_on;
}

static void *take_samples(void *unused)
{
    (void)unused;
    int64_t next = now_ns();
    while (take_sample()) {
        int64_t now = now_ns();
        next += sampler.period_ns;
        if (next < now) { /* reading took longer than a period: leave out what was missed */
            next += (now - next) / sampler.period_ns * sampler.period_ns + sampler.period_ns;
        }
        if (!wait_until(next)) {
            break;
        }
    }
    return NULL;
}

static bool split_paths(struct failure *failure)
{
    sampler.path_count = 0;
    for (char *at = sampler.files; *at != '\0';) {
        if (sampler.path_count == SOURCES_LIMIT) {
            return fail(failure, "more than %d files cannot be sampled", SOURCES_LIMIT);
        }
        sampler.paths[sampler.path_count++] = at;
        char *end = strchr(at, '\n');
        if (end == NULL) {
            break;
        }
        *end = '\0';
        at = end + 1;
    }
    return sampler.path_count > 0 || sampler.command != NULL ||
           fail(failure, "neither files nor a command to sample");
}

static void free_all(void)
{
    free(sampler.files);
    free(sampler.command);
    free(sampler.blob);
    memset(&sampler, 0, sizeof sampler);
}

static bool copy_sources(const struct sampling *sampling, struct failure *failure)
{
    sampler.period_ns = sampling->period_ns;
    sampler.files = strdup(sampling->files);
    if (sampling->command[0] != '\0') {
        size_t room = strlen(sampling->command) + sizeof COMMAND_FORM;
        sampler.command = malloc(room);
        if (sampler.command != NULL) {
            snprintf(sampler.command, room, COMMAND_FORM, sampling->command);
        }
    }
    if (sampler.files == NULL || (sampling->command[0] != '\0' && sampler.command == NULL)) {
        return fail(failure, "no memory for the names of what to sample");
    }
    return split_paths(failure);
}

bool sample_start(const struct sampling *sampling, struct failure *failure)
{
    if (sampler.runs) {
        return fail(failure, "samples are being taken already");
    }
    free_all();
    if (!copy_sources(sampling, failure)) {
        free_all();
        return false;
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&sampler.mutex, NULL);
    pthread_cond_init(&sampler.wake, &monotonic);
    sampler.runs = pthread_create(&sampler.thread, NULL, take_samples, NULL) == 0;
    return sampler.runs || fail(failure, "no thread could be made to take samples");
}

bool sample_stop(unsigned char **blob, size_t *bytes, struct failure *failure)
{
    if (!sampler.runs) {
        return fail(failure, "no samples are being taken");
    }
    pthread_mutex_lock(&sampler.mutex);
    sampler.should_end = true;
    pthread_cond_signal(&sampler.wake);
    pthread_mutex_unlock(&sampler.mutex);
    pthread_join(sampler.thread, NULL);
    sampler.runs = false;
    bool good = sampler.wrong == NULL || fail(failure, "%s", sampler.wrong);
    if (good) {
        *blob = sampler.blob;
        *bytes = sampler.bytes;
        sampler.blob = NULL;
    }
    free_all();
    return good;
}
