/* QEMU's part for the plug-in that counts calls: a guest runs blocks of instructions of 2 bytes.
 *
 * `calls_driver OPTION... -- BEGIN:INSTRUCTIONS...` runs one block after the other; BEGIN is hexadecimal. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 1024 };

struct instruction {
    uint64_t address;
};
struct translation_block {
    uint64_t begin;
    size_t count;
    struct instruction last;
};
struct plugin_info;

int qemu_plugin_install(uint64_t id, const struct plugin_info *info, int count, char **arguments);

static void (*translate)(uint64_t, struct translation_block *);
static void (*execute)(unsigned int, void *);
static void *execution;

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
                                           void (*callback)(uint64_t, struct translation_block *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct translation_block *block,
                                          void (*callback)(unsigned int, void *), int flags,
                                          void *data);
size_t qemu_plugin_tb_n_insns(const struct translation_block *block);
struct instruction *qemu_plugin_tb_get_insn(struct translation_block *block, size_t number);
uint64_t qemu_plugin_tb_vaddr(const struct translation_block *block);
uint64_t qemu_plugin_insn_vaddr(const struct instruction *instruction);
size_t qemu_plugin_insn_size(const struct instruction *instruction);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
                                           void (*callback)(uint64_t, struct translation_block *))
{
    (void)id;
    translate = callback;
}

void qemu_plugin_register_vcpu_tb_exec_cb(struct translation_block *block,
                                          void (*callback)(unsigned int, void *), int flags,
                                          void *data)
{
    (void)block;
    (void)flags;
    execute = callback;
    execution = data;
}

size_t qemu_plugin_tb_n_insns(const struct translation_block *block) { return block->count; }

struct instruction *qemu_plugin_tb_get_insn(struct translation_block *block, size_t number)
{
    block->last.address = block->begin + 2 * number;
    return &block->last;
}

uint64_t qemu_plugin_tb_vaddr(const struct translation_block *block) { return block->begin; }

uint64_t qemu_plugin_insn_vaddr(const struct instruction *instruction) { return instruction->address; }

size_t qemu_plugin_insn_size(const struct instruction *instruction)
{
    (void)instruction;
    return 2;
}

int main(int argc, char **argv)
{
    static struct translation_block blocks[BLOCKS];
    static void *executions[BLOCKS];
    int options = 0, known = 0;
    while (1 + options < argc && strcmp(argv[1 + options], "--") != 0) {
        options++;
    }
    if (qemu_plugin_install(0, NULL, options, argv + 1) != 0) {
        return 1;
    }
    for (int i = 2 + options; i < argc; i++) {
        char *rest = NULL;
        const uint64_t begin = strtoull(argv[i], &rest, 16);
        int which = 0;
        while (which < known && blocks[which].begin != begin) {
            which++;
        }
        if (which == known) { /* translated once, and run as often as it comes */
            blocks[known].begin = begin;
            blocks[known].count = strtoul(rest + 1, NULL, 10);
            translate(0, &blocks[known]);
            executions[known++] = execution;
        }
        execute(0, executions[which]);
    }
    return 0;
}
