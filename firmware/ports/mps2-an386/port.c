/* Arm's MPS2 board with the image AN386 (Cortex-M4), as QEMU emulates it.
 *
 * Source: Arm DAI 0386C (memory map), DDI 0479D chapter 4 (CMSDK UART), DUI 0465 (FPGAIO counter).
 * Its code memory can be written like RAM: here it is made to behave like flash. */
#include "edgeprune/port.h"
#include "start.h"

#define UART_DATA (*(volatile uint32_t *)0x40004000)
#define UART_STATE (*(volatile uint32_t *)0x40004004)
#define UART_CONTROL (*(volatile uint32_t *)0x40004008)
#define UART_BAUD_DIVIDER (*(volatile uint32_t *)0x40004010)
#define COUNTER (*(const volatile uint32_t *)0x40028018)

enum {
    TX_FULL = 1,
    RX_FULL = 2,
    CLOCK_HZ = 25000000,
    BAUD = 115200,
    SLOTS_AT = 0x100000,
    SLOT_BYTES = 0x180000,
    PAGE_BYTES = 4096,
    ARENA_BYTES = 3 << 20
};

static uint8_t arena[ARENA_BYTES] __attribute__((section(".arena"), aligned(16)));

const struct ep_port ep_port = {
    .board = "mps2-an386",
    .core = "cortex-m4",
    .tick_hz = CLOCK_HZ,
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
    UART_BAUD_DIVIDER = CLOCK_HZ / BAUD;
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
