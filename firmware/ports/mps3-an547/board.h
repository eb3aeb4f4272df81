/* Arm's MPS3 board with the image AN547: Cortex-M55. Source: Arm DAI 0547B, memory map; QEMU's hw/arm/mps2-tz.c for
 * the counter's rate. Two slots lie in DDR memory, which QEMU keeps over a reset. */
#ifndef EDGEPRUNE_BOARD_H
#define EDGEPRUNE_BOARD_H

#define BOARD_NAME "mps3-an547"
#define CORE_NAME "cortex-m55"

enum {
    UART_AT = 0x49303000,
    UART_HZ = 32000000,
    COUNTER_AT = 0x49302018,
    TICK_HZ = 20000000,
    SLOTS_AT = 0x61000000,
    SLOT_BYTES = 0x400000,
    ARENA_BYTES = 4 << 20
};

#endif
