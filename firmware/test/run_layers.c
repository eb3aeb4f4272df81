/* Runs a file of plans with their inputs and writes what came of them: on the host, under sanitizers,
 * and on an emulated core by semihosting, so that one start of the emulator serves many layers.
 *
 *     run_layers IN OUT
 *
 * IN: for each plan its bytes, the inputs' bytes (both uint32), the plan, and all inputs for as many runs
 * as there are, all filled up to 4 bytes; without any it runs once, on what is in the arena. OUT: for each plan the status, the number of the refused
 * operation, the last run's ticks and the outputs' bytes (all uint32), then the outputs, filled up. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "edgeprune/engine.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

enum { PLAN_BYTES = 1 << 22, ARENA_BYTES = 1 << 19, DATA_BYTES = 1 << 20 };

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

/* Under address checks, only `bytes` bytes of a buffer may be touched. */
static void allow(void *buffer, size_t all, size_t bytes)
{
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(buffer, all);
    __asan_poison_memory_region((uint8_t *)buffer + bytes, all - bytes);
#else
    (void)buffer, (void)all, (void)bytes;
#endif
}

/* What the plan itself says of its arena, which need not be right. */
static size_t arena_bytes_of(size_t plan_bytes)
{
    const struct ep_plan_header *header = (const void *)plan;
    const int is_known = plan_bytes >= sizeof *header && header->arena_bytes <= sizeof arena;
    return is_known ? header->arena_bytes : sizeof arena;
}

static size_t bytes_of(const struct ep_plan_tensor *tensors, unsigned count)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < count; i++) {
        bytes += tensors[i].bytes;
    }
    return bytes;
}

/* One run of a network: all its inputs, then all its outputs, one behind the other. */
static void run(const struct ep_engine *engine, const uint8_t *input, uint8_t *to, uint32_t *taken)
{
    for (unsigned i = 0; input != NULL && i < engine->header->input_count; i++) {
        memcpy(ep_input(engine, i), input, ep_input_tensor(engine, i)->bytes);
        input += ep_input_tensor(engine, i)->bytes;
    }
    const uint32_t before = ticks();
    ep_run(engine, NULL, NULL);
    *taken = ticks() - before;
    for (unsigned i = 0; i < engine->header->output_count; i++) {
        memcpy(to, ep_output(engine, i), ep_output_tensor(engine, i)->bytes);
        to += ep_output_tensor(engine, i)->bytes;
    }
}

/* Runs a plan that is good on every input; 0 if the outputs do not fit. */
static int run_all(const struct ep_engine *engine, size_t bytes, uint32_t head[4])
{
    const unsigned inputs = engine->header->input_count;
    const size_t in_bytes = bytes_of(engine->tensors, inputs);
    const size_t out_bytes = bytes_of(engine->tensors + inputs, engine->header->output_count);
    const size_t runs = bytes == 0 || in_bytes == 0 ? 1 : bytes / in_bytes;
    if (out_bytes > sizeof outputs / runs) {
        return 0;
    }
    for (size_t i = 0; i < runs; i++) {
        const uint8_t *input = bytes == 0 ? NULL : (const uint8_t *)data + i * in_bytes;
        run(engine, input, (uint8_t *)outputs + head[3], &head[2]);
        head[3] += (uint32_t)out_bytes;
    }
    return 1;
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
        allow(plan, sizeof plan, sizeof plan);
        if (sizes[0] > sizeof plan || sizes[1] > sizeof data ||
            fread(plan, 1, filled(sizes[0]), in) != filled(sizes[0]) ||
            fread(data, 1, filled(sizes[1]), in) != filled(sizes[1])) {
            return 3;
        }
        struct ep_engine engine = {0};
        const size_t arena_bytes = arena_bytes_of(sizes[0]);
        allow(plan, sizeof plan, sizes[0]);
        allow(arena, sizeof arena, arena_bytes);
        uint32_t head[4] = {ep_prepare(&engine, plan, sizes[0], arena, arena_bytes), 0, 0, 0};
        head[1] = engine.bad_op;
        if (head[0] == EP_OK && !run_all(&engine, sizes[1], head)) {
            return 3;
        }
        if (!put(out, head)) {
            return 3;
        }
    }
    return fclose(out) == 0 ? 0 : 3;
}
