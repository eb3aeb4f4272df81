/* QEMU's part for the plug-in that counts instructions: threads run one block of so many instructions.
 *
 * `plugin_driver FILE INSTRUCTIONS THREAD...` has each THREAD run the block once. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct translation_block {
    size_t instructions;
};
struct plugin_info;

int qemu_plugin_install(uint64_t id, const struct plugin_info *info, int count, char **arguments);

static void (*translate)(uint64_t, struct translation_block *);
static void (*execute)(unsigned int, void *);
static void (*end)(uint64_t, void *);
static void *execution;

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
                                           void (*callback)(uint64_t, struct translation_block *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct translation_block *block,
                                          void (*callback)(unsigned int, void *), int flags,
                                          void *data);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*callback)(uint64_t, void *), void *data);
size_t qemu_plugin_tb_n_insns(const struct translation_block *block);

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

void qemu_plugin_register_atexit_cb(uint64_t id, void (*callback)(uint64_t, void *), void *data)
{
    (void)id;
    (void)data;
    end = callback;
}

size_t qemu_plugin_tb_n_insns(const struct translation_block *block)
{
    return block->instructions;
}

int main(int argc, char **argv)
{
    char argument[4096];
    char *arguments[] = {argument};
    if (argc < 3) {
        return 3;
    }
    struct translation_block block = {strtoul(argv[2], NULL, 10)};
    snprintf(argument, sizeof argument, "out=%s", argv[1]);
    if (qemu_plugin_install(0, NULL, 1, arguments) != 0) {
        return 1;
    }
    translate(0, &block);
    for (int i = 3; i < argc; i++) {
        execute((unsigned)strtoul(argv[i], NULL, 10), execution);
    }
    end(0, NULL);
    return 0;
}
