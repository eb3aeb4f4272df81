/* Unpacks containers for the tests, in memory.
 *
 * `epz_driver FILE...` writes FILE.out for each and prints "ok", or what is wrong.
 * `epz_driver --mutate COUNT FILE` unpacks COUNT damaged copies with right checksums, and prints how
 * many were taken for whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "epz.h"

struct memory {
    const unsigned char *in;
    size_t at, bytes;
    unsigned char *out;
    size_t out_bytes, room;
};

static size_t take(void *context, unsigned char *data, size_t room)
{
    struct memory *memory = context;
    size_t count = memory->bytes - memory->at < room ? memory->bytes - memory->at : room;
    memcpy(data, memory->in + memory->at, count);
    memory->at += count;
    return count;
}

static bool give(void *context, const unsigned char *data, size_t bytes)
{
    struct memory *memory = context;
    if (bytes > memory->room - memory->out_bytes) {
        abort(); /* more than the limit that the decoder was given */
    }
    memcpy(memory->out + memory->out_bytes, data, bytes);
    memory->out_bytes += bytes;
    return true;
}

static const char *unpack(struct memory *memory)
{
    static struct epz_arena arena;
    struct epz_ends ends = {.context = memory, .read = take, .write = give};
    uint64_t size = 0;
    memory->at = memory->out_bytes = 0;
    return epz_unpack(&arena, &ends, memory->room, &size);
}

static unsigned char *read_file(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        exit(3);
    }
    *bytes = (size_t)ftell(file);
    rewind(file);
    unsigned char *data = malloc(*bytes + 1);
    if (data == NULL || fread(data, 1, *bytes, file) != *bytes) {
        exit(3);
    }
    fclose(file);
    return data;
}

static uint32_t crc_of(const unsigned char *data, size_t bytes)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int k = 0; k < 8; k++) {
            crc = crc >> 1 ^ (0xedb88320 & (0 - (crc & 1)));
        }
    }
    return ~crc;
}

static size_t next(uint64_t *state, size_t below)
{
    *state = *state * 6364136223846793005U + 1442695040888963407U; /* Knuth, MMIX */
    return (size_t)(*state >> 33) % below;
}

static void mutate(struct memory *memory, unsigned long count)
{
    unsigned char *copy = malloc(memory->bytes);
    uint64_t state = 1;
    unsigned long whole = 0;
    for (unsigned long i = 0; i < count && copy != NULL; i++) {
        struct memory damaged = *memory;
        damaged.in = copy;
        memcpy(copy, memory->in, memory->bytes);
        for (size_t k = next(&state, 6) + 1; k > 0; k--) {
            copy[next(&state, memory->bytes)] = (unsigned char)next(&state, 256);
        }
        memcpy(copy, memory->in, 4);
        uint32_t crc = crc_of(copy, memory->bytes - 4);
        for (size_t k = 0; k < 4; k++) {
            copy[memory->bytes - 4 + k] = (unsigned char)(crc >> (8 * k));
        }
        whole += unpack(&damaged) == NULL ? 1 : 0;
    }
    printf("%lu whole\n", whole);
    free(copy);
}

int main(int argc, char **argv)
{
    bool mutates = argc > 1 && strcmp(argv[1], "--mutate") == 0;
    struct memory memory = {.room = (size_t)64 << 20};
    memory.out = malloc(memory.room);
    if (memory.out == NULL || (mutates && argc != 4)) {
        return 3;
    }
    for (int i = mutates ? 3 : 1; i < argc; i++) {
        unsigned char *data = read_file(argv[i], &memory.bytes);
        memory.in = data;
        if (mutates) {
            mutate(&memory, strtoul(argv[2], NULL, 10));
        } else {
            const char *wrong = unpack(&memory);
            char path[4096];
            snprintf(path, sizeof path, "%s.out", argv[i]);
            FILE *file = wrong == NULL ? fopen(path, "wb") : NULL;
            if (file != NULL) {
                fwrite(memory.out, 1, memory.out_bytes, file);
                fclose(file);
            }
            puts(wrong == NULL ? "ok" : wrong);
        }
        free(data);
    }
    free(memory.out);
    return 0;
}
