/* How a Cortex-M starts: its vector table, memory as C wants it, then the server, for ever.
 *
 * Source: Armv7-M Architecture Reference Manual, B1.5.3 (vector table), B3.2.20 (CPACR), B3.2.6 (AIRCR). */
#include <stdint.h>
#include <string.h>

#include "edgeprune/server.h"
#include "start.h"

#define CPACR (*(volatile uint32_t *)0xe000ed88)
#define AIRCR (*(volatile uint32_t *)0xe000ed0c)
#define VTOR (*(volatile uint32_t *)0xe000ed08)

enum { CORE_EXCEPTIONS = 16, CP10_CP11_FULL = 0xf << 20 };

/* Of the linker script. */
extern uint32_t link_stack_end[], link_data_begin[], link_data_end[], link_bss_begin[],
    link_bss_end[];
extern const uint32_t link_data_load[];

typedef void handler(void);

void ep_restart(void)
{
    __asm__ volatile("dsb" ::: "memory");
    AIRCR = 0x05fa0004; /* VECTKEY and SYSRESETREQ */
    for (;;) {
    }
}

void ep_start(void);

/* A fault ends in a new start: a plan that brought the firmware down is then not started again. */
__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    handler *handlers[CORE_EXCEPTIONS - 1];
} VECTORS = {
    link_stack_end,
    {ep_start, ep_port_nmi, ep_restart, ep_restart, ep_restart, ep_restart, ep_restart, ep_restart,
     ep_restart, ep_restart, ep_restart, ep_restart, ep_restart, ep_restart, ep_restart},
};

void ep_start(void)
{
    CPACR |= CP10_CP11_FULL; /* else instructions of FPU and Helium are faults */
    __asm__ volatile("dsb\n isb" ::: "memory");
    VTOR = (uint32_t)(uintptr_t)&VECTORS;
    memcpy(link_data_begin, link_data_load,
           (size_t)((uintptr_t)link_data_end - (uintptr_t)link_data_begin));
    memset(link_bss_begin, 0, (size_t)((uintptr_t)link_bss_end - (uintptr_t)link_bss_begin));
    ep_port_start();
    ep_serve();
    ep_restart();
}
