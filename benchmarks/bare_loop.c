/* A bare loop of inferences, to measure what measuring costs (measuring_overhead.py).
 *
 *     bare_loop LIBRARY MODEL
 *
 * Loads as the agent does and takes the same inputs. For each line of its input, a number of runs, it
 * reads the clock once before and once after all of them, and prints the nanoseconds between. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "runtime.h"

static struct model model;
static struct failure failure;

static void need(bool good)
{
    if (!good) {
        fprintf(stderr, "bare_loop: %s\n", failure.text);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    long runs = 0;
    need(argc == 3 || fail(&failure, "needs LIBRARY MODEL"));
    struct load_options options = {.runtime = argv[1], .path = argv[2], .threads = 1};
    need(model_load(&model, &options, &failure));
    need(model_default_inputs(&model, &failure));
    int (*run)(litert_compiled_model, size_t, size_t, litert_buffer *, size_t, litert_buffer *) =
        model.api.RunCompiledModel;
    litert_compiled_model compiled = model.compiled;
    struct tensor_list inputs = model.inputs;
    struct tensor_list outputs = model.outputs;
    while (scanf("%ld", &runs) == 1) {
        int status = 0;
        int64_t begin = now_ns();
        for (long i = 0; i < runs; i++) {
            status |= run(compiled, 0, inputs.count, inputs.buffers, outputs.count,
                          outputs.buffers);
        }
        int64_t end = now_ns();
        need(check(status, "LiteRtRunCompiledModel", &failure));
        printf("%" PRId64 "\n", end - begin);
        fflush(stdout);
    }
    return 0;
}
