#define _POSIX_C_SOURCE 200809L
#include "fuzz.h"

#include <dirent.h>
#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { EDGES = 1 << 14, MAX_INPUTS = 20000, HANG_S = 20, REPORT_S = 60 };

struct input {
    uint8_t *data;
    size_t bytes;
};

static struct input inputs[MAX_INPUTS];
static size_t input_count;
static uint8_t hits[EDGES]; /* of the present run */
static uint8_t seen[EDGES]; /* which counts, as powers of two, any run had */
static uintptr_t last_place;
static uint8_t present[FUZZ_MAX_BYTES];
static size_t present_bytes;
static const char *folder;
static uint64_t random_state;

void __sanitizer_cov_trace_pc(void);

__attribute__((no_sanitize("address", "undefined"))) void __sanitizer_cov_trace_pc(void)
{
    const uintptr_t place = (uintptr_t)__builtin_return_address(0);
    uint8_t *hit = &hits[(place ^ last_place) % EDGES];
    *hit = (uint8_t)(*hit + (*hit < 255));
    last_place = place >> 1;
}

static uint32_t drawn(uint32_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % below);
}

static void save(const char *name, const uint8_t *data, size_t bytes)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (file != NULL) {
        fwrite(data, 1, bytes, file);
        fclose(file);
    }
}

static void save_crash(void) { save("crash", present, present_bytes); }

static void die(int signal_number)
{
    save_crash();
    fprintf(stderr, "signal %d\n", signal_number);
    _exit(70);
}

/* Runs the present input; whether it reached something new. */
static int is_new(void)
{
    int found = 0;
    memset(hits, 0, sizeof hits);
    last_place = 0;
    alarm(HANG_S);
    uint8_t *exact = malloc(present_bytes + 1); /* so that a read behind its end is noticed */
    if (exact == NULL) {
        abort();
    }
    memcpy(exact, present, present_bytes);
    exact = realloc(exact, present_bytes > 0 ? present_bytes : 1);
    fuzz_one(exact, present_bytes);
    free(exact);
    alarm(0);
    for (size_t i = 0; i < EDGES; i++) {
        uint8_t count = 0;
        for (uint8_t h = hits[i]; h > 0; h >>= 1) {
            count = (uint8_t)(count == 0 ? 1 : count << 1);
        }
        if ((count & ~seen[i]) != 0) {
            seen[i] |= count;
            found = 1;
        }
    }
    return found;
}

static void keep(void)
{
    if (input_count == MAX_INPUTS) {
        return;
    }
    struct input *input = &inputs[input_count++];
    input->bytes = present_bytes;
    input->data = malloc(present_bytes > 0 ? present_bytes : 1);
    if (input->data == NULL) {
        abort();
    }
    memcpy(input->data, present, present_bytes);
}

static void insert(size_t at, const uint8_t *data, size_t bytes)
{
    if (bytes <= FUZZ_MAX_BYTES - present_bytes) {
        memmove(present + at + bytes, present + at, present_bytes - at);
        memcpy(present + at, data, bytes);
        present_bytes += bytes;
    }
}

static void splice(void)
{
    const struct input *other = &inputs[drawn((uint32_t)input_count)];
    if (other->bytes > 0) {
        const size_t from = drawn((uint32_t)other->bytes);
        const size_t bytes = 1 + drawn((uint32_t)(other->bytes - from));
        insert(drawn((uint32_t)present_bytes + 1), other->data + from, bytes);
    }
}

static void put_word(size_t at)
{
    static const uint32_t ODD[] = {0, 1, 2, 3, 4, 7, 8, 255, 256, 4095, 4096, 65535, 65536, 0x7fffffff,
                                   0x80000000, 0xfffffffe, 0xffffffff};
    uint32_t value = ODD[drawn(sizeof ODD / sizeof *ODD)] + drawn(3) - 1;
    const size_t bytes = (size_t)1 << drawn(3);
    for (size_t i = 0; i < bytes && at + i < present_bytes; i++, value >>= 8) {
        present[at + i] = (uint8_t)value;
    }
}

static void mutate(void)
{
    const size_t at = present_bytes > 0 ? drawn((uint32_t)present_bytes) : 0;
    size_t words = 0;
    while (FUZZ_WORDS[words] != NULL) {
        words++;
    }
    switch (present_bytes == 0 ? 5 : drawn(8)) {
    case 0:
        present[at] ^= (uint8_t)(1u << drawn(8));
        break;
    case 1:
        present[at] = (uint8_t)drawn(256);
        break;
    case 2:
        put_word(at);
        break;
    case 3:
        put_word(at & ~(size_t)3);
        break;
    case 4: { /* cut a piece out */
        const size_t bytes = 1 + drawn((uint32_t)(present_bytes - at));
        memmove(present + at, present + at + bytes, present_bytes - at - bytes);
        present_bytes -= bytes;
        break;
    }
    case 5:
        if (words > 0) {
            const char *word = FUZZ_WORDS[drawn((uint32_t)words)];
            insert(at, (const uint8_t *)word, strlen(word));
        }
        break;
    case 6:
        splice();
        break;
    default:
        present[at] = (uint8_t)(present[at] + drawn(7) - 3);
    }
}

static void load_corpus(void)
{
    DIR *entries = opendir(folder);
    struct dirent *entry;
    char path[4096];
    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (file != NULL) {
            present_bytes = fread(present, 1, sizeof present, file);
            fclose(file);
            if (is_new()) {
                keep();
            }
        }
    }
    if (entries != NULL) {
        closedir(entries);
    }
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void report(uint64_t runs, double begin)
{
    size_t edges = 0;
    for (size_t i = 0; i < EDGES; i++) {
        edges += seen[i] != 0;
    }
    printf("%.0f s, %llu runs, %zu edges, %zu inputs\n", now_s() - begin, (unsigned long long)runs,
           edges, input_count);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        return 2;
    }
    folder = argv[1];
    const double begin = now_s(), end = begin + atof(argv[2]);
    random_state = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    __sanitizer_set_death_callback(save_crash);
    signal(SIGALRM, die);
    signal(SIGABRT, die);
    load_corpus();
    uint64_t runs = input_count;
    for (double next = begin + REPORT_S, now = begin; now < end; now = now_s()) {
        for (int i = 0; i < 100; i++, runs++) {
            present_bytes = 0;
            if (input_count > 0) {
                const struct input *from = &inputs[drawn((uint32_t)input_count)];
                memcpy(present, from->data, from->bytes);
                present_bytes = from->bytes;
            }
            for (uint32_t j = 1 + drawn(1u << drawn(5)); j > 0; j--) {
                mutate();
            }
            if (is_new()) {
                char name[32];
                keep();
                snprintf(name, sizeof name, "%08zu", input_count);
                save(name, present, present_bytes);
            }
        }
        if (now > next) {
            report(runs, begin);
            next += REPORT_S;
        }
    }
    report(runs, begin);
    return 0;
}
