/* A plug-in for QEMU's user mode: counts the guest's executed instructions and writes the number
 * to a file when the guest exits.
 *
 *     qemu-aarch64 -plugin libqemu_instructions.so,out=FILE PROGRAM
 *
 * Debian ships no qemu-plugin.h, so what is used of it is declared here.
 * Source: QEMU 7.2 documentation, "QEMU TCG Plugins", and its API reference (interface version 1).
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint64_t plugin_id;
struct translation_block;
struct plugin_info;
enum { ADD_U64 = 0 }; /* QEMU_PLUGIN_INLINE_ADD_U64 */

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
                                           void (*callback)(plugin_id, struct translation_block *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct translation_block *block, int operation,
                                              void *counter, uint64_t value);
void qemu_plugin_register_atexit_cb(plugin_id id, void (*callback)(plugin_id, void *), void *data);
size_t qemu_plugin_tb_n_insns(const struct translation_block *block);

/* What QEMU looks up in the plug-in. */
extern int qemu_plugin_version;
int qemu_plugin_install(plugin_id id, const struct plugin_info *info, int count, char **arguments);

int qemu_plugin_version = 1;

/* Threads of the guest add to it without a lock; with one thread at work the count is exact. */
static uint64_t instructions;
static char path[4096];

static void on_translation(plugin_id id, struct translation_block *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &instructions,
                                             qemu_plugin_tb_n_insns(block));
}

static void on_exit_of_guest(plugin_id id, void *data)
{
    (void)id;
    (void)data;
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
