/* ST's NUCLEO-L4R5ZI: STM32L4R5ZI, Cortex-M4 at 120 MHz; LPUART1 goes to the debugger's USB port.
 *
 * Source: ST RM0432 (memory map, chapters 3, 5, 6 and 47), UM2179 (solder bridges of the serial port). */
#ifndef EDGEPRUNE_BOARD_H
#define EDGEPRUNE_BOARD_H

#define BOARD_NAME "nucleo-l4r5zi"
#define CORE_NAME "cortex-m4"

enum {
    CLOCK_HZ = 120000000,
    BAUD = 115200,
    UART_AT = 0x40008000,                            /* LPUART1 */
    UART_DIVIDER = (int)(256LL * CLOCK_HZ / BAUD),   /* RM0432, LPUART_BRR */
    FLASH_KEY_AT = 0x40022008,
    FLASH_STATUS_AT = 0x40022010,
    FLASH_CONTROL_AT = 0x40022014,
    FLASH_ECC_AT = 0x40022018,
    BANK_2_AT = 0x08100000,
    BANK_BYTES = 1 << 20,
    PAGE_BYTES = 4096, /* with two banks, as it is delivered */
    UNIT_BYTES = 8,
    ARENA_BYTES = 512 << 10
};

#endif
