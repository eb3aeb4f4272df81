/* Runs plans with kernels: `driver NAME|best CASES [THREADS]`, or `driver list`. A case of the file CASES is
 * the lengths of plan, input and output and the batch as uint32, the plan and the input; standard
 * output gets a byte that says whether the plan is good, and its outputs or one line that says why
 * not. Every block of memory is as long as it has to be, so that the sanitizers see a byte more. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convolution.h"
#include "workers.h"

static void *room(size_t bytes)
{
    void *memory = malloc(bytes > 0 ? bytes : 1);
    if (memory == NULL) {
        exit(4);
    }
    return memory;
}

static const struct kernel *named(const char *name)
{
    for (const struct kernel *const *next = KERNELS; *next != NULL; next++) {
        if (strcmp((*next)->name, name) == 0 && (*next)->runs_here()) {
            return *next;
        }
    }
    return strcmp(name, "best") == 0 ? best_kernel() : NULL;
}

struct run {
    const struct convolution *convolution;
    const int8_t *input;
    int8_t *output;
    size_t shares;
};

/* Memory of its own for each share, the last one first, so that none relies on another. */
static void run_share(void *context, size_t thread, size_t share)
{
    (void)thread;
    const struct run *run = context;
    const size_t units = convolution_units(run->convolution), from = run->shares - 1 - share;
    void *scratch = room(convolution_scratch_bytes(run->convolution));
    convolution_run(run->convolution, run->input, units * from / run->shares,
                    units * (from + 1) / run->shares, run->output, scratch);
    free(scratch);
}

static void run(const struct plan *plan, const struct kernel *kernel, const int8_t *input,
                size_t batch, size_t output_bytes, struct workers *workers)
{
    struct convolution convolution;
    void *tables = room(convolution_table_bytes(plan));
    int8_t *output = room(output_bytes);
    if (!convolution_begin(&convolution, plan, kernel, batch, tables)) {
        exit(6);
    }
    struct run shared = {&convolution, input, output, 2 * workers_count(workers)};
    workers_run(workers, shared.shares, run_share, &shared);
    fwrite(output, 1, output_bytes, stdout);
    free(output);
    free(tables);
}

static void *take(size_t bytes)
{
    void *memory = room(bytes);
    if (fread(memory, 1, bytes, stdin) != bytes) {
        exit(5);
    }
    return memory;
}

int main(int argc, char **argv)
{
    uint32_t sizes[4]; /* plan, input, output, batch */
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        for (const struct kernel *const *next = KERNELS; *next != NULL; next++) {
            printf("%s %d\n", (*next)->name, (*next)->runs_here());
        }
        return 0;
    }
    if (argc < 3 || freopen(argv[2], "rb", stdin) == NULL || named(argv[1]) == NULL) {
        return 3;
    }
    struct workers *workers = workers_start(argc > 3 ? strtoul(argv[3], NULL, 10) : 1);
    while (fread(sizes, sizeof sizes, 1, stdin) == 1) {
        struct plan plan;
        const char *why = "";
        void *bytes = take(sizes[0]), *input = take(sizes[1]);
        bool is_good = plan_read(&plan, bytes, sizes[0], &why);
        if (is_good && !plan_fits(&plan, sizes[3], sizes[1], sizes[2])) {
            is_good = false;
            why = "it does not fit its input and output";
        }
        putchar(is_good);
        if (is_good) {
            run(&plan, named(argv[1]), input, sizes[3], sizes[2], workers);
        } else {
            printf("%s\n", why);
        }
        free(input);
        free(bytes);
    }
    workers_end(workers);
    return fflush(stdout);
}
