/* Runs a file of plans with their inputs and writes what came of them: on the host, under sanitizers,
 * and on an emulated core by semihosting, so that one start of the emulator serves many layers.
 *
 *     run_layers IN OUT
 *
 * IN: for each plan its bytes, the inputs' bytes (both uint32), the plan, and inputs for as many runs as
 * there are, all filled up to 4 bytes. OUT: for each plan the status, the number of the refused
 * operation, the last run's ticks and the outputs' bytes (all uint32), then the outputs, filled up. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "edgeprune/engine.h"

enum { PLAN_BYTES = 1 << 20, ARENA_BYTES = 1 << 19, DATA_BYTES = 1 << 20 };

/* Ticks of a counter, if the build names the address of one. */
static uint32_t ticks(void)
{
#ifdef TICKS_AT
    return *(volatile uint32_t *)TICKS_AT;
#else
    return 0;
#endif
}

static uint32_t plan[PLAN_BYTES / 4], arena[ARENA_BYTES / 4], data[DATA_BYTES / 4];
static uint32_t outputs[DATA_BYTES / 4];

static size_t filled(size_t bytes) { return (bytes + 3) & ~(size_t)3; }

static int put(FILE *out, const uint32_t head[4])
{
    return fwrite(head, 4, 4, out) == 4 &&
           fwrite(outputs, 1, filled(head[3]), out) == filled(head[3]);
}

/* What one run of a network puts out, into `to`. */
static void run(const struct ep_engine *engine, const uint8_t *input, uint8_t *to, uint32_t *taken)
{
    memcpy(ep_input(engine, 0), input, ep_input_tensor(engine, 0)->bytes);
    const uint32_t before = ticks();
    ep_run(engine, NULL, NULL);
    *taken = ticks() - before;
    memcpy(to, ep_output(engine, 0), ep_output_tensor(engine, 0)->bytes);
}

int main(int count, char **arguments)
{
    if (count != 3) {
        return 2;
    }
    FILE *in = fopen(arguments[1], "rb"), *out = fopen(arguments[2], "wb");
    if (in == NULL || out == NULL) {
        return 2;
    }
    for (uint32_t sizes[2]; fread(sizes, 4, 2, in) == 2;) {
        if (sizes[0] > sizeof plan || sizes[1] > sizeof data ||
            fread(plan, 1, filled(sizes[0]), in) != filled(sizes[0]) ||
            fread(data, 1, filled(sizes[1]), in) != filled(sizes[1])) {
            return 3;
        }
        struct ep_engine engine = {0};
        uint32_t head[4] = {ep_prepare(&engine, plan, sizes[0], arena, sizeof arena), 0, 0, 0};
        head[1] = engine.bad_op;
        if (head[0] == EP_OK) {
            const uint32_t in_bytes = ep_input_tensor(&engine, 0)->bytes;
            const uint32_t out_bytes = ep_output_tensor(&engine, 0)->bytes;
            for (uint32_t at = 0; at + in_bytes <= sizes[1]; at += in_bytes) {
                if (head[3] + out_bytes > sizeof outputs) {
                    return 3;
                }
                run(&engine, (const uint8_t *)data + at, (uint8_t *)outputs + head[3], &head[2]);
                head[3] += out_bytes;
            }
        }
        if (!put(out, head)) {
            return 3;
        }
    }
    return fclose(out) == 0 ? 0 : 3;
}
