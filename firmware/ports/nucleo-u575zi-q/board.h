/* ST's NUCLEO-U575ZI-Q: STM32U575ZI, Cortex-M33 at 160 MHz; USART1 goes to the debugger's USB port.
 *
 * Source: ST RM0456 (memory map, chapters 7, 10, 11 and 66), UM2861 (the serial port). TrustZone off, as delivered. */
#ifndef EDGEPRUNE_BOARD_H
#define EDGEPRUNE_BOARD_H

#define BOARD_NAME "nucleo-u575zi-q"
#define CORE_NAME "cortex-m33"

enum {
    CLOCK_HZ = 160000000,
    BAUD = 115200,
    UART_AT = 0x40013800, /* USART1 */
    UART_DIVIDER = CLOCK_HZ / BAUD,
    FLASH_KEY_AT = 0x40022008,
    FLASH_STATUS_AT = 0x40022020,
    FLASH_CONTROL_AT = 0x40022028,
    FLASH_ECC_AT = 0x40022030,
    BANK_2_AT = 0x08100000,
    BANK_BYTES = 1 << 20,
    PAGE_BYTES = 8192,
    UNIT_BYTES = 16,
    ARENA_BYTES = 640 << 10
};

#endif
