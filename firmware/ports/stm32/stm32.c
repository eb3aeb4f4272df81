/* STM32L4+ and STM32U5: their serial ports and flash differ in addresses and sizes alone (board.h).
 *
 * Source: ST RM0432 (STM32L4+) and RM0456 (STM32U5), chapters on USART, LPUART and FLASH; addresses after ST's
 * device headers. Slots lie in the second bank of flash, so that the program goes on in the first. */
#include "stm32.h"

#include "board.h"
#include "cycles.h"
#include "edgeprune/port.h"
#include "registers.h"
#include "start.h"

enum { CR1 = 0x00, BRR = 0x0c, ISR = 0x1c, ICR = 0x20, RDR = 0x24, TDR = 0x28 }; /* of a USART */
enum { UE = 1 << 0, RE = 1 << 2, TE = 1 << 3 };
enum { OVERRUN = 1 << 3, RX_FULL = 1 << 5, TX_EMPTY = 1 << 7 };
enum { PG = 1 << 0, PER = 1 << 1, PAGE_AT = 3, BANK_2 = 1 << 11, STRT = 1 << 16, BUSY = 1 << 16 };
enum { ERRORS = 0xfa }; /* of the flash's status: operation, programming, protection, size, sequence */
#define LOCK (UINT32_C(1) << 31)
#define DOUBLE_ERROR (UINT32_C(1) << 31)

static uint8_t arena[ARENA_BYTES] __attribute__((section(".arena"), aligned(16)));

const struct ep_port ep_port = {
    .board = BOARD_NAME,
    .core = CORE_NAME,
    .tick_hz = CLOCK_HZ,
    .is_emulated = false,
    .counts_cycles = true,
    .flash = (const uint8_t *)BANK_2_AT,
    .slot_bytes = BANK_BYTES / 2,
    .page_bytes = PAGE_BYTES,
    .unit_bytes = UNIT_BYTES,
    .arena = arena,
    .arena_bytes = ARENA_BYTES,
};

void ep_port_start(void)
{
    stm32_start();
    *register_at(UART_AT + BRR) = UART_DIVIDER;
    *register_at(UART_AT + CR1) = UE | RE | TE;
    cycles_start();
}

/* A unit whose programming was cut off has a wrong ECC, and reading it comes here: it is read as it is. */
void ep_port_nmi(void)
{
    if ((*register_at(FLASH_ECC_AT) & DOUBLE_ERROR) == 0) {
        ep_restart();
    }
    set_bits(FLASH_ECC_AT, DOUBLE_ERROR);
}

size_t ep_port_read(void *to, size_t room)
{
    unsigned char *next = to;
    size_t bytes = 0;
    while (bytes < room && (*register_at(UART_AT + ISR) & RX_FULL) != 0) {
        next[bytes++] = (unsigned char)*register_at(UART_AT + RDR);
    }
    if ((*register_at(UART_AT + ISR) & OVERRUN) != 0) {
        *register_at(UART_AT + ICR) = OVERRUN; /* the frame's CRC tells */
    }
    return bytes;
}

void ep_port_write(const void *from, size_t bytes)
{
    const unsigned char *next = from;
    for (size_t i = 0; i < bytes; i++) {
        wait_for(UART_AT + ISR, TX_EMPTY, TX_EMPTY);
        *register_at(UART_AT + TDR) = next[i];
    }
}

uint32_t ep_port_ticks(void) { return cycles_now(); }

static void unlock(void)
{
    wait_for(FLASH_STATUS_AT, BUSY, 0);
    if ((*register_at(FLASH_CONTROL_AT) & LOCK) != 0) {
        *register_at(FLASH_KEY_AT) = 0x45670123;
        *register_at(FLASH_KEY_AT) = 0xcdef89ab;
    }
    *register_at(FLASH_STATUS_AT) = ERRORS; /* written, they are cleared */
}

static bool finish(void)
{
    wait_for(FLASH_STATUS_AT, BUSY, 0);
    const bool is_good = (*register_at(FLASH_STATUS_AT) & ERRORS) == 0;
    *register_at(FLASH_CONTROL_AT) = LOCK;
    stm32_forget_flash();
    return is_good;
}

bool ep_port_erase(uint32_t at)
{
    unlock();
    *register_at(FLASH_CONTROL_AT) = PER | BANK_2 | (at / PAGE_BYTES) << PAGE_AT;
    set_bits(FLASH_CONTROL_AT, STRT);
    return finish();
}

bool ep_port_program(uint32_t at, const void *from, uint32_t bytes)
{
    const uint32_t *words = from;
    unlock();
    *register_at(FLASH_CONTROL_AT) = PG;
    for (uint32_t i = 0; i < bytes; i += UNIT_BYTES) {
        for (uint32_t j = 0; j < UNIT_BYTES; j += 4) {
            *register_at(BANK_2_AT + at + i + j) = *words++;
        }
        __asm__ volatile("dsb" ::: "memory");
        wait_for(FLASH_STATUS_AT, BUSY, 0);
    }
    return finish();
}
