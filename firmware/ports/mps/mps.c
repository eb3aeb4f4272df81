/* Arm's MPS boards as QEMU emulates them: what board.h says, and what they have in common.
 *
 * Source: Arm DDI 0479D, chapter 4 (CMSDK UART); Arm DAI 0386 and DAI 0547 (FPGAIO, its counter).
 * Their memory can be written like RAM: here a part of it is made to behave like flash. */
#include "board.h"
#include "edgeprune/port.h"
#include "start.h"

#define UART_DATA (*(volatile uint32_t *)(UART_AT + 0x00))
#define UART_STATE (*(volatile uint32_t *)(UART_AT + 0x04))
#define UART_CONTROL (*(volatile uint32_t *)(UART_AT + 0x08))
#define UART_BAUD_DIVIDER (*(volatile uint32_t *)(UART_AT + 0x10))
#define COUNTER (*(const volatile uint32_t *)COUNTER_AT)

enum { TX_FULL = 1, RX_FULL = 2, BAUD = 115200, PAGE_BYTES = 4096 };

static uint8_t arena[ARENA_BYTES] __attribute__((section(".arena"), aligned(16)));

const struct ep_port ep_port = {
    .board = BOARD_NAME,
    .core = CORE_NAME,
    .tick_hz = TICK_HZ,
    .is_emulated = true,
    .counts_cycles = false,
    .flash = (const uint8_t *)SLOTS_AT,
    .slot_bytes = SLOT_BYTES,
    .page_bytes = PAGE_BYTES,
    .unit_bytes = 4,
    .arena = arena,
    .arena_bytes = ARENA_BYTES,
};

void ep_port_start(void)
{
    UART_BAUD_DIVIDER = UART_HZ / BAUD;
    UART_CONTROL = 3; /* transmit and receive */
}

void ep_port_nmi(void) { ep_restart(); }

size_t ep_port_read(void *to, size_t room)
{
    unsigned char *next = to;
    size_t bytes = 0;
    while (bytes < room && (UART_STATE & RX_FULL) != 0) {
        next[bytes++] = (unsigned char)UART_DATA;
    }
    return bytes;
}

void ep_port_write(const void *from, size_t bytes)
{
    const unsigned char *next = from;
    for (size_t i = 0; i < bytes; i++) {
        while ((UART_STATE & TX_FULL) != 0) {
        }
        UART_DATA = next[i];
    }
}

uint32_t ep_port_ticks(void) { return COUNTER; }

bool ep_port_erase(uint32_t at)
{
    volatile uint32_t *page = (volatile uint32_t *)(SLOTS_AT + at);
    for (unsigned i = 0; i < PAGE_BYTES / 4; i++) {
        page[i] = UINT32_MAX;
    }
    return true;
}

bool ep_port_program(uint32_t at, const void *from, uint32_t bytes)
{
    volatile uint32_t *to = (volatile uint32_t *)(SLOTS_AT + at);
    const uint32_t *words = from;
    for (uint32_t i = 0; i < bytes / 4; i++) {
        to[i] &= words[i]; /* as flash does: bits only ever go to 0 */
    }
    return true;
}
