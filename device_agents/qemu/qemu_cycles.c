/* A plug-in for QEMU's user mode: counts what cycles on a real core are estimated from, for each of
 * the last intervals between two readings of the clock by the guest.
 *
 *     qemu-aarch64 -plugin libqemu_cycles.so,out=FILE,last=INTERVALS,cache=BYTES:WAYS,... PROGRAM
 *
 * An inference is such an interval: our agent reads the clock before and behind it. Only the guest's
 * first thread is counted. Caches (data_caches.h) are given from the nearest to the core on, one `cache`
 * a level, and simulated from the program's start with every load and store, at the guest's addresses.
 *
 * When the guest exits, FILE has a line for each interval, oldest first, with its blocks behind it:
 *
 *     interval INSTRUCTIONS ACCESSES SYSTEM_CALLS (STREAMED_MISSES OTHER_MISSES)...
 *     block NUMBER TIMES
 *
 * and then each block of code that they name, its bytes in hexadecimal: `code NUMBER BYTES`.
 *
 * Debian ships no qemu-plugin.h, so what is used of it is declared here.
 * Source: QEMU 7.2 documentation, "QEMU TCG Plugins", and its API reference (interface version 1).
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data_caches.h"

typedef uint64_t plugin_id;
typedef uint32_t access_info;
struct translation_block;
struct instruction;
struct plugin_info;
enum { CALLBACK_NO_REGISTERS = 0 }; /* QEMU_PLUGIN_CB_NO_REGS */
enum { LOADS_AND_STORES = 3 };      /* QEMU_PLUGIN_MEM_RW */

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
                                           void (*callback)(plugin_id, struct translation_block *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct translation_block *block,
                                          void (*callback)(unsigned int, void *), int flags,
                                          void *data);
void qemu_plugin_register_vcpu_mem_cb(struct instruction *instruction,
                                      void (*callback)(unsigned int, access_info, uint64_t, void *),
                                      int flags, int kind, void *data);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id id,
                                          void (*callback)(plugin_id, unsigned int, int64_t, uint64_t,
                                                           uint64_t, uint64_t, uint64_t, uint64_t,
                                                           uint64_t, uint64_t, uint64_t));
void qemu_plugin_register_atexit_cb(plugin_id id, void (*callback)(plugin_id, void *), void *data);
size_t qemu_plugin_tb_n_insns(const struct translation_block *block);
struct instruction *qemu_plugin_tb_get_insn(const struct translation_block *block, size_t number);
size_t qemu_plugin_insn_size(const struct instruction *instruction);
const void *qemu_plugin_insn_data(const struct instruction *instruction);
unsigned int qemu_plugin_mem_size_shift(access_info info);

/* What QEMU looks up in the plug-in. */
extern int qemu_plugin_version;
int qemu_plugin_install(plugin_id id, const struct plugin_info *info, int count, char **arguments);

int qemu_plugin_version = 1;

enum { CLOCK_GETTIME = 113 }; /* Linux, include/uapi/asm-generic/unistd.h; aarch64 has these numbers */
enum { INTERVALS_LIMIT = 65536 };

struct block {
    uint64_t times, times_before; /* up to now, and up to the interval's beginning */
    size_t instructions, bytes;
    unsigned char *code;
    bool is_named;
};

struct part {
    size_t block;
    uint64_t times;
};

struct interval {
    uint64_t instructions, accesses, system_calls;
    struct misses misses[DATA_CACHE_LEVELS];
    struct part *parts;
    size_t part_count;
};

static char path[4096];
static struct block **blocks;
static size_t block_count, block_room;
static struct data_caches caches;
static struct interval now; /* since the last reading of the clock */
static struct interval *intervals;
static size_t interval_room, interval_count; /* ever; the last ones are kept, in a ring */

static void *memory(void *old, size_t count, size_t size)
{
    void *found = count <= SIZE_MAX / size ? realloc(old, count * size) : NULL;
    if (found == NULL) {
        fprintf(stderr, "qemu_cycles: no memory\n");
        exit(EXIT_FAILURE);
    }
    return found;
}

static void on_access(unsigned int thread, access_info info, uint64_t address, void *data)
{
    (void)data;
    if (thread != 0) {
        return;
    }
    now.accesses++;
    data_caches_touch(&caches, address, UINT64_C(1) << qemu_plugin_mem_size_shift(info), now.misses);
}

static void on_execution(unsigned int thread, void *data)
{
    if (thread == 0) {
        ((struct block *)data)->times++;
    }
}

static void on_translation(plugin_id id, struct translation_block *translated)
{
    (void)id;
    struct block *block = memory(NULL, 1, sizeof *block); /* QEMU may run it until the end: never freed */
    *block = (struct block){.instructions = qemu_plugin_tb_n_insns(translated)};
    for (size_t i = 0; i < block->instructions; i++) {
        struct instruction *one = qemu_plugin_tb_get_insn(translated, i);
        const size_t bytes = qemu_plugin_insn_size(one);
        block->code = memory(block->code, block->bytes + bytes, 1);
        memcpy(block->code + block->bytes, qemu_plugin_insn_data(one), bytes);
        block->bytes += bytes;
        if (caches.level_count > 0) {
            qemu_plugin_register_vcpu_mem_cb(one, on_access, CALLBACK_NO_REGISTERS, LOADS_AND_STORES, NULL);
        }
    }
    if (block_count == block_room) {
        block_room = 2 * block_room + 1024;
        blocks = memory(blocks, block_room, sizeof *blocks);
    }
    blocks[block_count++] = block;
    qemu_plugin_register_vcpu_tb_exec_cb(translated, on_execution, CALLBACK_NO_REGISTERS, block);
}

static void end_interval(void)
{
    size_t ran = 0;
    for (size_t i = 0; i < block_count; i++) {
        ran += blocks[i]->times != blocks[i]->times_before;
    }
    now.parts = memory(NULL, ran + 1, sizeof *now.parts);
    for (size_t i = 0; i < block_count; i++) {
        struct block *block = blocks[i];
        const uint64_t times = block->times - block->times_before;
        if (times != 0) {
            now.parts[now.part_count++] = (struct part){.block = i, .times = times};
            now.instructions += times * block->instructions;
            block->times_before = block->times;
        }
    }
    struct interval *kept = &intervals[interval_count++ % interval_room];
    free(kept->parts);
    *kept = now;
    now = (struct interval){0};
}

static void on_system_call(plugin_id id, unsigned int thread, int64_t number, uint64_t a1, uint64_t a2,
                           uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (thread != 0) {
        return;
    }
    if (number == CLOCK_GETTIME) {
        end_interval();
    } else {
        now.system_calls++;
    }
}

static void write_interval(FILE *file, const struct interval *one)
{
    fprintf(file, "interval %" PRIu64 " %" PRIu64 " %" PRIu64, one->instructions, one->accesses,
            one->system_calls);
    for (size_t i = 0; i < caches.level_count; i++) {
        fprintf(file, " %" PRIu64 " %" PRIu64, one->misses[i].streamed, one->misses[i].other);
    }
    fprintf(file, "\n");
    for (size_t i = 0; i < one->part_count; i++) {
        fprintf(file, "block %zu %" PRIu64 "\n", one->parts[i].block, one->parts[i].times);
        blocks[one->parts[i].block]->is_named = true;
    }
}

static void on_exit_of_guest(plugin_id id, void *data)
{
    (void)id;
    (void)data;
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        fprintf(stderr, "qemu_cycles: cannot write %s\n", path);
        return;
    }
    const size_t oldest = interval_count > interval_room ? interval_count - interval_room : 0;
    for (size_t i = oldest; i < interval_count; i++) {
        write_interval(file, &intervals[i % interval_room]);
    }
    for (size_t i = 0; i < block_count; i++) {
        if (blocks[i]->is_named) {
            fprintf(file, "code %zu ", i);
            for (size_t k = 0; k < blocks[i]->bytes; k++) {
                fprintf(file, "%02x", blocks[i]->code[k]);
            }
            fprintf(file, "\n");
        }
    }
    fprintf(file, "end\n");
    const bool is_wrong = ferror(file) != 0;
    if (fclose(file) != 0 || is_wrong) {
        fprintf(stderr, "qemu_cycles: cannot write %s\n", path);
    }
}

/* `BYTES:WAYS` of a cache. */
static bool take_cache(const char *text)
{
    char *end = NULL;
    const unsigned long long bytes = strtoull(text, &end, 10);
    if (*end != ':') {
        return false;
    }
    const unsigned long long ways = strtoull(end + 1, &end, 10);
    return *end == '\0' && data_caches_add(&caches, bytes, ways);
}

/* One argument; false where it is none of ours. */
static bool take(const char *argument)
{
    if (strncmp(argument, "out=", 4) == 0 && strlen(argument + 4) < sizeof path) {
        strcpy(path, argument + 4);
        return true;
    }
    if (strncmp(argument, "cache=", 6) == 0) {
        return take_cache(argument + 6);
    }
    if (strncmp(argument, "last=", 5) == 0 && interval_room == 0) {
        char *end = NULL;
        const unsigned long long last = strtoull(argument + 5, &end, 10);
        if (*end != '\0' || last == 0 || last > INTERVALS_LIMIT) {
            return false;
        }
        interval_room = (size_t)last;
        intervals = memory(NULL, interval_room, sizeof *intervals);
        memset(intervals, 0, interval_room * sizeof *intervals);
        return true;
    }
    return false;
}

int qemu_plugin_install(plugin_id id, const struct plugin_info *info, int count, char **arguments)
{
    (void)info;
    for (int i = 0; i < count; i++) {
        if (!take(arguments[i])) {
            fprintf(stderr, "qemu_cycles: cannot use %s\n", arguments[i]);
            return -1;
        }
    }
    if (path[0] == '\0' || interval_room == 0) {
        fprintf(stderr, "qemu_cycles: needs out=FILE and last=INTERVALS\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_vcpu_syscall_cb(id, on_system_call);
    qemu_plugin_register_atexit_cb(id, on_exit_of_guest, NULL);
    return 0;
}
