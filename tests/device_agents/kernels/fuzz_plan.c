/* Damages plans and runs those that are still taken: `fuzz_plan SEED ROUNDS SECONDS PLAN...`. Each round
 * changes some bytes of a plan, cuts it or adds to it, and puts its length and checksum right, so that
 * what reads it has to look at every field. Plans that are taken and small run in every kernel of this
 * processor, in memory of exactly the sizes that they ask for; all have to give what the scalar one
 * gives. Prints how many rounds there were, and how many plans were taken and run. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../portable/crc32.h"
#include "../portable/little_endian.h"
#include "convolution.h"

enum { MAX_BYTES = 1 << 16, ADDED = 64, MAX_PLANS = 256 };
enum { MAX_ELEMENTS = 1 << 16, MAX_SCRATCH = 1 << 22, MAX_VECTORS = 1 << 14 };

static uint64_t state;

/* Source: Marsaglia, Xorshift RNGs, Journal of Statistical Software 8 (2003), section 3.1. */
static size_t below(size_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % limit);
}

static void *room(size_t bytes)
{
    void *memory = malloc(bytes > 0 ? bytes : 1);
    if (memory == NULL) {
        exit(4);
    }
    return memory;
}

/* Numbers that are often just right, or just wrong. */
static uint32_t telling_number(void)
{
    static const uint32_t NUMBERS[] = {0, 1, 2, 3, 4, 127, 128, 255, 256, 1024, 32767, 32768, 65535,
                                       65536, 65537, 0x3f800000, 0x43800000, 0x7f800000,
                                       0x7fc00000, 0x7fffffff, 0x80000000, 0xffffff80, 0xffffffff};
    return NUMBERS[below(sizeof NUMBERS / sizeof NUMBERS[0])];
}

static size_t damage(unsigned char *plan, size_t size)
{
    for (size_t changes = 1 + below(3); changes > 0; changes--) {
        const size_t field = PLAN_HEADER_BYTES / 4, word = 4 * (4 + below(field - 4));
        switch (below(6)) {
        case 0: plan[below(size)] = (unsigned char)below(256); break;
        case 1: plan[below(size)] ^= (unsigned char)(1u << below(8)); break;
        case 2: put_little32(plan + word, telling_number()); break;
        case 3: put_little32(plan + word, get_little32(plan + word) + (uint32_t)below(5) - 2); break;
        case 4: put_little32(plan + below(size - 3), telling_number()); break;
        default: size = PLAN_HEADER_BYTES + below(size - PLAN_HEADER_BYTES + ADDED); break;
        }
    }
    put_little32(plan + 8, (uint32_t)size);
    put_little32(plan + 12, crc32_of(0, plan + 16, size - 16));
    return size;
}

static int8_t *output_of(const struct plan *plan, const struct kernel *kernel, const int8_t *input,
                         size_t bytes)
{
    struct convolution convolution;
    void *tables = room(convolution_table_bytes(plan));
    int8_t *output = NULL;
    if (convolution_begin(&convolution, plan, kernel, 1, tables) &&
        convolution_scratch_bytes(&convolution) <= MAX_SCRATCH &&
        convolution.layout.vectors <= MAX_VECTORS) {
        void *scratch = room(convolution_scratch_bytes(&convolution));
        output = room(bytes);
        convolution_run(&convolution, input, 0, convolution_units(&convolution), output, scratch);
        free(scratch);
    }
    free(tables);
    return output;
}

/* Whether the plan was small enough to run. */
static bool run(const struct plan *plan)
{
    const size_t in = (size_t)plan->in_height * plan->in_width * plan->in_channels;
    const size_t pixels = (size_t)plan->out_height * plan->out_width;
    const size_t out = pixels * plan->out_channels;
    const struct kernel *const *next = KERNELS;
    if (in > MAX_ELEMENTS || out > MAX_ELEMENTS) {
        return false;
    }
    int8_t *input = room(in);
    for (size_t i = 0; i < in; i++) {
        input[i] = (int8_t)(below(256) - 128);
    }
    int8_t *right = output_of(plan, &kernel_scalar, input, out);
    for (; right != NULL && *next != &kernel_scalar; next++) {
        int8_t *output = (*next)->runs_here() ? output_of(plan, *next, input, out) : NULL;
        if (output != NULL && memcmp(output, right, out) != 0) {
            fprintf(stderr, "%s differs\n", (*next)->name);
            exit(5);
        }
        free(output);
    }
    const bool has_run = right != NULL;
    free(right);
    free(input);
    return has_run;
}

struct file {
    unsigned char bytes[MAX_BYTES];
    size_t size;
};

static void read_file(const char *path, struct file *to)
{
    FILE *file = fopen(path, "rb");
    to->size = file == NULL ? 0 : fread(to->bytes, 1, MAX_BYTES, file);
    if (to->size < PLAN_HEADER_BYTES || to->size == MAX_BYTES) {
        exit(3);
    }
    fclose(file);
}

int main(int argc, char **argv)
{
    const size_t plans = argc < 5 ? 0 : (size_t)argc - 4;
    uint64_t rounds = 0, taken = 0, ran = 0;
    if (plans == 0 || plans > MAX_PLANS) {
        return 2;
    }
    struct file *files = room(plans * sizeof *files);
    unsigned char *damaged = room(MAX_BYTES + ADDED);
    const uint64_t limit = strtoull(argv[2], NULL, 10);
    const time_t end = time(NULL) + (time_t)strtoll(argv[3], NULL, 10);
    state = strtoull(argv[1], NULL, 10) * 2 + 1;
    for (size_t i = 0; i < plans; i++) {
        read_file(argv[4 + i], &files[i]);
    }
    for (; rounds < limit && time(NULL) < end; rounds++) {
        const struct file *file = &files[rounds % plans];
        struct plan plan;
        const char *why = NULL;
        memset(damaged, 0, MAX_BYTES + ADDED);
        memcpy(damaged, file->bytes, file->size);
        const size_t size = damage(damaged, file->size);
        unsigned char *exact = room(size); /* so that a byte behind it is seen */
        memcpy(exact, damaged, size);
        if (plan_read(&plan, exact, size, &why)) {
            taken++;
            ran += run(&plan);
        } else if (why == NULL) {
            return 6;
        }
        free(exact);
    }
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", rounds, taken, ran);
    free(files);
    free(damaged);
    return 0;
}
