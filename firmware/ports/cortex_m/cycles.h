/* The cycle counter of a Cortex-M3 or newer. Source: Armv7-M Architecture Reference Manual, C1.8.7 (DWT_CTRL,
 * DWT_CYCCNT) and C1.6.5 (DEMCR). */
#ifndef EDGEPRUNE_CYCLES_H
#define EDGEPRUNE_CYCLES_H

#include <stdint.h>

#define CYCLES_DEMCR (*(volatile uint32_t *)0xe000edfc)
#define CYCLES_DWT_CTRL (*(volatile uint32_t *)0xe0001000)
#define CYCLES_DWT_CYCCNT (*(volatile uint32_t *)0xe0001004)

static inline void cycles_start(void)
{
    CYCLES_DEMCR |= UINT32_C(1) << 24; /* TRCENA */
    CYCLES_DWT_CYCCNT = 0;
    CYCLES_DWT_CTRL |= 1; /* CYCCNTENA */
}

static inline uint32_t cycles_now(void) { return CYCLES_DWT_CYCCNT; }

#endif
