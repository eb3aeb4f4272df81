/* Arm's MPS2 board with the image AN386: Cortex-M4. Source: Arm DAI 0386C, table 3-1 and chapter 4. */
#ifndef EDGEPRUNE_BOARD_H
#define EDGEPRUNE_BOARD_H

#define BOARD_NAME "mps2-an386"
#define CORE_NAME "cortex-m4"

enum {
    UART_AT = 0x40004000,
    UART_HZ = 25000000,
    COUNTER_AT = 0x40028018,
    TICK_HZ = 25000000,
    SLOTS_AT = 0x100000, /* the last 3 of the 4 MB at 0 */
    SLOT_BYTES = 0x180000,
    ARENA_BYTES = 3 << 20
};

#endif
