/* A plug-in for QEMU's system emulation: counts the instructions of each call of one function of the
 * guest, and of each part of it, which begins where one of some other functions is entered.
 *
 *     qemu-system-arm -plugin libqemu_calls.so,parent=PID,out=FILE,call=ADDRESS,end=ADDRESS,part=ADDRESS,...
 *
 * Addresses are hexadecimal; `end` is the first one behind the function. As soon as a call has returned,
 * a line is in the file: instructions of the call, then of each part in the order in which they ran. A
 * part ends where the function itself goes on; parts that a part calls belong to it.
 *
 * An emulated board runs for ever, also where nobody reads its line: QEMU ends within two seconds of
 * the process PID that started it.
 *
 * One processor, one call at a time, and no call of itself. Debian ships no qemu-plugin.h, so what is
 * used of it is declared here.
 * Source: QEMU 7.2 documentation, "QEMU TCG Plugins", and its API reference (interface version 1).
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef uint64_t plugin_id;
struct translation_block;
struct instruction;
struct plugin_info;
enum { CALLBACK_NO_REGISTERS = 0 }; /* QEMU_PLUGIN_CB_NO_REGS */

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
                                           void (*callback)(plugin_id, struct translation_block *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct translation_block *block,
                                          void (*callback)(unsigned int, void *), int flags,
                                          void *data);
size_t qemu_plugin_tb_n_insns(const struct translation_block *block);
struct instruction *qemu_plugin_tb_get_insn(const struct translation_block *block, size_t number);
uint64_t qemu_plugin_tb_vaddr(const struct translation_block *block);
uint64_t qemu_plugin_insn_vaddr(const struct instruction *instruction);
size_t qemu_plugin_insn_size(const struct instruction *instruction);

/* What QEMU looks up in the plug-in. */
extern int qemu_plugin_version;
int qemu_plugin_install(plugin_id id, const struct plugin_info *info, int count, char **arguments);

int qemu_plugin_version = 1;

enum { PART_STARTS = 256, PARTS = 4096 };

/* Code that runs from its first instruction to its last: a function is entered at the first one, for
 * only a branch leads there. */
struct block {
    uint64_t begin, end;
    uint64_t instructions;
    bool starts_part;
    bool is_own; /* of the function whose calls are counted */
};

static uint64_t call_at, call_end, part_at[PART_STARTS];
static size_t part_starts;
static FILE *file;
static long parent;

static const struct block *before;
static bool is_called, is_part;
static uint64_t returns_to; /* behind the branch that led to the function */
static uint64_t instructions, parts[PARTS];
static size_t part_count;

static void finish(void)
{
    fprintf(file, "%" PRIu64, instructions);
    for (size_t i = 0; i < part_count; i++) {
        fprintf(file, " %" PRIu64, parts[i]);
    }
    if (fprintf(file, "\n") < 0 || fflush(file) != 0) {
        fprintf(stderr, "qemu_calls: cannot write the counts\n");
    }
    is_called = false;
}

static void begin_part(void)
{
    if (part_count == PARTS) {
        fprintf(stderr, "qemu_calls: more than %d parts cannot be counted\n", PARTS);
        exit(EXIT_FAILURE);
    }
    parts[part_count++] = 0;
    is_part = true;
}

static void on_execution(unsigned int processor, void *data)
{
    (void)processor;
    const struct block *block = data;
    if (is_called && block->begin == returns_to) {
        finish();
    }
    if (!is_called && block->begin == call_at && before != NULL) {
        is_called = true;
        is_part = false;
        returns_to = before->end;
        instructions = 0;
        part_count = 0;
    }
    if (is_called) {
        if (block->is_own) {
            is_part = false;
        } else if (block->starts_part && !is_part) {
            begin_part();
        }
        instructions += block->instructions;
        if (is_part) {
            parts[part_count - 1] += block->instructions;
        }
    }
    before = block;
}

static void on_translation(plugin_id id, struct translation_block *block)
{
    (void)id;
    struct block *ours = malloc(sizeof *ours); /* QEMU may run it until the end: never freed */
    const size_t count = qemu_plugin_tb_n_insns(block);
    if (ours == NULL || count == 0) {
        fprintf(stderr, "qemu_calls: no memory\n");
        exit(EXIT_FAILURE);
    }
    const struct instruction *last = qemu_plugin_tb_get_insn(block, count - 1);
    *ours = (struct block){
        .begin = qemu_plugin_tb_vaddr(block),
        .end = qemu_plugin_insn_vaddr(last) + qemu_plugin_insn_size(last),
        .instructions = count,
    };
    ours->is_own = ours->begin >= call_at && ours->begin < call_end;
    for (size_t i = 0; i < part_starts; i++) {
        ours->starts_part = ours->starts_part || part_at[i] == ours->begin;
    }
    qemu_plugin_register_vcpu_tb_exec_cb(block, on_execution, CALLBACK_NO_REGISTERS, ours);
}

static void *watch_parent(void *unused)
{
    (void)unused;
    while (getppid() == parent) {
        sleep(1);
    }
    _exit(EXIT_FAILURE);
}

/* One argument; false where it is none of ours. */
static bool take(const char *argument)
{
    char *end = NULL;
    if (strncmp(argument, "out=", 4) == 0 && file == NULL) {
        file = fopen(argument + 4, "w");
        return file != NULL;
    }
    if (strncmp(argument, "parent=", 7) == 0) {
        parent = strtol(argument + 7, &end, 10);
    } else if (strncmp(argument, "call=", 5) == 0) {
        call_at = strtoull(argument + 5, &end, 16);
    } else if (strncmp(argument, "end=", 4) == 0) {
        call_end = strtoull(argument + 4, &end, 16);
    } else if (strncmp(argument, "part=", 5) == 0 && part_starts < PART_STARTS) {
        part_at[part_starts++] = strtoull(argument + 5, &end, 16);
    }
    return end != NULL && *end == '\0';
}

int qemu_plugin_install(plugin_id id, const struct plugin_info *info, int count, char **arguments)
{
    (void)info;
    for (int i = 0; i < count; i++) {
        if (!take(arguments[i])) {
            fprintf(stderr, "qemu_calls: cannot use %s\n", arguments[i]);
            return -1;
        }
    }
    if (file == NULL || call_end <= call_at || parent <= 0) {
        fprintf(stderr, "qemu_calls: needs parent=PID, out=FILE, call=ADDRESS and end=ADDRESS\n");
        return -1;
    }
    pthread_t watcher;
    if (pthread_create(&watcher, NULL, watch_parent, NULL) != 0) {
        fprintf(stderr, "qemu_calls: cannot start a thread\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    return 0;
}
