/* A plug-in for QEMU's user mode: writes one line for each reading of a clock by the guest: the
 * number of instructions executed so far, and the address of the block of code that asked.
 *
 *     qemu-aarch64 -plugin libnode_instructions.so,out=FILE PROGRAM
 *
 * XNNPACK's profiler reads the clock once before the first node and once after each node, so that
 * differences of these numbers are what each node executed. QEMU 7.2 has no vDSO for its guests:
 * each reading is a system call. One thread only.
 *
 * Debian ships no qemu-plugin.h, so what is used of it is declared here.
 * Source: QEMU 7.2 documentation, "QEMU TCG Plugins", and its API reference (interface version 1);
 * Linux include/uapi/asm-generic/unistd.h; XNNPACK src/runtime.c, xnn_invoke_runtime.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint64_t plugin_id;
struct translation_block;
struct plugin_info;
enum { CALLBACK_NO_REGISTERS = 0 }; /* QEMU_PLUGIN_CB_NO_REG */
enum { CLOCK_GETTIME = 113 };       /* its number on aarch64 */
enum { LENGTH_BITS = 16 };          /* a block has at most 512 instructions */

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
                                           void (*callback)(plugin_id, struct translation_block *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct translation_block *block,
                                          void (*callback)(unsigned int, void *), int flags,
                                          void *data);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id id,
                                          void (*callback)(plugin_id, unsigned int, int64_t,
                                                           uint64_t, uint64_t, uint64_t, uint64_t,
                                                           uint64_t, uint64_t, uint64_t, uint64_t));
size_t qemu_plugin_tb_n_insns(const struct translation_block *block);
uint64_t qemu_plugin_tb_vaddr(const struct translation_block *block);

/* What QEMU looks up in the plug-in. */
extern int qemu_plugin_version;
int qemu_plugin_install(plugin_id id, const struct plugin_info *info, int count, char **arguments);

int qemu_plugin_version = 1;

static uint64_t instructions;
/* Addresses of the blocks entered last, the newest first. The newest two are libc's clock_gettime,
 * the third the linkage table, the fourth whoever asked. */
enum { ASKED = 3 };
static uint64_t entered[ASKED + 1];
static FILE *file;

static void on_execution(unsigned int thread, void *data)
{
    (void)thread;
    memmove(entered + 1, entered, ASKED * sizeof *entered);
    entered[0] = (uintptr_t)data >> LENGTH_BITS;
    instructions += (uintptr_t)data & ((1 << LENGTH_BITS) - 1);
}

static void on_translation(plugin_id id, struct translation_block *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(block, on_execution, CALLBACK_NO_REGISTERS,
                                         (void *)(uintptr_t)(qemu_plugin_tb_vaddr(block) << LENGTH_BITS |
                                                             qemu_plugin_tb_n_insns(block)));
}

static void on_system_call(plugin_id id, unsigned int thread, int64_t number, uint64_t a1,
                           uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6,
                           uint64_t a7, uint64_t a8)
{
    (void)id, (void)thread, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number == CLOCK_GETTIME) {
        fprintf(file, "%" PRIu64 " %" PRIu64 "\n", instructions, entered[ASKED]);
        fflush(file);
    }
}

int qemu_plugin_install(plugin_id id, const struct plugin_info *info, int count, char **arguments)
{
    (void)info;
    if (count != 1 || strncmp(arguments[0], "out=", 4) != 0) {
        fprintf(stderr, "node_instructions: needs exactly one argument, out=FILE\n");
        return -1;
    }
    file = fopen(arguments[0] + 4, "w");
    if (file == NULL) {
        fprintf(stderr, "node_instructions: cannot write %s\n", arguments[0] + 4);
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_vcpu_syscall_cb(id, on_system_call);
    return 0;
}
