/* A plug-in for QEMU's user mode: counts the guest's executed instructions and writes the number
 * to a file when the guest exits.
 *
 *     qemu-aarch64 -plugin libqemu_instructions.so,out=FILE PROGRAM
 *
 * Debian ships no qemu-plugin.h, so what is used of it is declared here.
 * Source: QEMU 7.2 documentation, "QEMU TCG Plugins", and its API reference (interface version 1).
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint64_t plugin_id;
struct translation_block;
struct plugin_info;
enum { CALLBACK_NO_REGISTERS = 0 }; /* QEMU_PLUGIN_CB_NO_REGS */

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
                                           void (*callback)(plugin_id, struct translation_block *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct translation_block *block,
                                          void (*callback)(unsigned int, void *), int flags,
                                          void *data);
void qemu_plugin_register_atexit_cb(plugin_id id, void (*callback)(plugin_id, void *), void *data);
size_t qemu_plugin_tb_n_insns(const struct translation_block *block);

/* What QEMU looks up in the plug-in. */
extern int qemu_plugin_version;
int qemu_plugin_install(plugin_id id, const struct plugin_info *info, int count, char **arguments);

int qemu_plugin_version = 1;

/* Each thread of the guest has a counter of its own, on a cache line of its own: QEMU 7.2's inline
 * addition to one counter loses some where two threads run at once. */
enum { THREADS_LIMIT = 1024 };
static struct {
    _Alignas(64) uint64_t instructions;
} threads[THREADS_LIMIT];
static atomic_bool too_many_threads;
static char path[4096];

static void on_execution(unsigned int thread, void *data)
{
    if (thread < THREADS_LIMIT) {
        threads[thread].instructions += (uintptr_t)data;
    } else {
        too_many_threads = true;
    }
}

static void on_translation(plugin_id id, struct translation_block *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(block, on_execution, CALLBACK_NO_REGISTERS,
                                         (void *)(uintptr_t)qemu_plugin_tb_n_insns(block));
}

static void on_exit_of_guest(plugin_id id, void *data)
{
    (void)id;
    (void)data;
    if (too_many_threads) {
        fprintf(stderr, "qemu_instructions: more than %d threads cannot be counted\n", THREADS_LIMIT);
        return;
    }
    uint64_t instructions = 0;
    for (size_t i = 0; i < THREADS_LIMIT; i++) {
        instructions += threads[i].instructions;
    }
    FILE *file = fopen(path, "w");
    if (file == NULL || fprintf(file, "%" PRIu64 "\n", instructions) < 0 || fclose(file) != 0) {
        fprintf(stderr, "qemu_instructions: cannot write %s\n", path);
    }
}

int qemu_plugin_install(plugin_id id, const struct plugin_info *info, int count, char **arguments)
{
    (void)info;
    if (count != 1 || strncmp(arguments[0], "out=", 4) != 0 ||
        strlen(arguments[0] + 4) >= sizeof path) {
        fprintf(stderr, "qemu_instructions: needs exactly one argument, out=FILE\n");
        return -1;
    }
    strcpy(path, arguments[0] + 4);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, on_exit_of_guest, NULL);
    return 0;
}
