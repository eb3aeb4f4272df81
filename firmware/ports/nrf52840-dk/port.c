/* Nordic's nRF52840 DK: Cortex-M4 at 64 MHz; UART0 goes to the debugger's USB port.
 *
 * Source: nRF52840 Product Specification 1.7, 4.2.3 (memory), 4.3 (NVMC), 5.4 (CLOCK), 6.9 (GPIO), 6.33
 * (UART); nRF52840 DK user guide (P0.06 and P0.08 are the serial port). */
#include "cycles.h"
#include "edgeprune/port.h"
#include "registers.h"
#include "start.h"

enum { CLOCK_HZ = 64000000, PAGE_BYTES = 4096, UNIT_BYTES = 4, ARENA_BYTES = 200 << 10 };
enum { SLOTS_AT = 0x80000, SLOT_BYTES = 0x40000 }; /* the second half of 1 MB of flash */
enum { HFCLK_START = 0x40000000, HFCLK_STARTED = 0x40000100 };
enum {
    UART_START_RX = 0x40002000,
    UART_START_TX = 0x40002008,
    UART_RX_READY = 0x40002108,
    UART_TX_READY = 0x4000211c,
    UART_ERROR_SOURCE = 0x40002480,
    UART_ENABLE = 0x40002500,
    UART_PIN_TX = 0x4000250c,
    UART_PIN_RX = 0x40002514,
    UART_RX = 0x40002518,
    UART_TX = 0x4000251c,
    UART_BAUD_RATE = 0x40002524,
    UART_ON = 4,
    BAUD_115200 = 0x01d7e000
};
enum { PORT_0_SET = 0x50000508, PORT_0_OUTPUT = 0x50000518, PIN_TX = 6, PIN_RX = 8 };
enum {
    NVMC_READY = 0x4001e400,
    NVMC_CONFIG = 0x4001e504,
    NVMC_ERASE_PAGE = 0x4001e508,
    NVMC_CACHE = 0x4001e540,
    READ = 0,
    WRITE = 1,
    ERASE = 2
};

static uint8_t arena[ARENA_BYTES] __attribute__((section(".arena"), aligned(16)));
static bool is_sending; /* a byte was handed over, and UART_TX_READY will say that it has gone */

const struct ep_port ep_port = {
    .board = "nrf52840-dk",
    .core = "cortex-m4",
    .tick_hz = CLOCK_HZ,
    .is_emulated = false,
    .counts_cycles = true,
    .flash = (const uint8_t *)SLOTS_AT,
    .slot_bytes = SLOT_BYTES,
    .page_bytes = PAGE_BYTES,
    .unit_bytes = UNIT_BYTES,
    .arena = arena,
    .arena_bytes = ARENA_BYTES,
};

void ep_port_start(void)
{
    *register_at(HFCLK_STARTED) = 0;
    *register_at(HFCLK_START) = 1; /* the crystal, which the line's rate needs */
    wait_for(HFCLK_STARTED, 1, 1);
    *register_at(NVMC_CACHE) = 1;
    *register_at(PORT_0_SET) = 1 << PIN_TX;
    *register_at(PORT_0_OUTPUT) = 1 << PIN_TX;
    *register_at(UART_PIN_TX) = PIN_TX;
    *register_at(UART_PIN_RX) = PIN_RX;
    *register_at(UART_BAUD_RATE) = BAUD_115200;
    *register_at(UART_ENABLE) = UART_ON;
    *register_at(UART_START_RX) = 1;
    *register_at(UART_START_TX) = 1;
    cycles_start();
}

void ep_port_nmi(void) { ep_restart(); }

size_t ep_port_read(void *to, size_t room)
{
    unsigned char *next = to;
    size_t bytes = 0;
    while (bytes < room && *register_at(UART_RX_READY) != 0) {
        *register_at(UART_RX_READY) = 0; /* before the read, which makes the next byte come up */
        next[bytes++] = (unsigned char)*register_at(UART_RX);
    }
    *register_at(UART_ERROR_SOURCE) = 15; /* written, they are cleared; the frame's CRC tells */
    return bytes;
}

void ep_port_write(const void *from, size_t bytes)
{
    const unsigned char *next = from;
    for (size_t i = 0; i < bytes; i++) {
        if (is_sending) {
            wait_for(UART_TX_READY, 1, 1);
        }
        *register_at(UART_TX_READY) = 0;
        *register_at(UART_TX) = next[i];
        is_sending = true;
    }
}

uint32_t ep_port_ticks(void) { return cycles_now(); }

bool ep_port_erase(uint32_t at)
{
    *register_at(NVMC_CONFIG) = ERASE;
    *register_at(NVMC_ERASE_PAGE) = SLOTS_AT + at;
    wait_for(NVMC_READY, 1, 1);
    *register_at(NVMC_CONFIG) = READ;
    return *register_at(SLOTS_AT + at) == UINT32_MAX;
}

bool ep_port_program(uint32_t at, const void *from, uint32_t bytes)
{
    const uint32_t *words = from;
    bool is_good = true;
    *register_at(NVMC_CONFIG) = WRITE;
    for (uint32_t i = 0; i < bytes; i += UNIT_BYTES) {
        *register_at(SLOTS_AT + at + i) = words[i / UNIT_BYTES];
        wait_for(NVMC_READY, 1, 1);
        is_good = is_good && *register_at(SLOTS_AT + at + i) == words[i / UNIT_BYTES];
    }
    *register_at(NVMC_CONFIG) = READ;
    return is_good;
}
