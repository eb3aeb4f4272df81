/* Registers of a chip, by their addresses. */
#ifndef EDGEPRUNE_REGISTERS_H
#define EDGEPRUNE_REGISTERS_H

#include <stdint.h>

static inline volatile uint32_t *register_at(uint32_t address)
{
    return (volatile uint32_t *)(uintptr_t)address;
}

static inline void set_bits(uint32_t address, uint32_t bits) { *register_at(address) |= bits; }

/* Changes the bits of `mask` to those of `bits`. */
static inline void change_bits(uint32_t address, uint32_t mask, uint32_t bits)
{
    *register_at(address) = (*register_at(address) & ~mask) | bits;
}

static inline void wait_for(uint32_t address, uint32_t mask, uint32_t bits)
{
    while ((*register_at(address) & mask) != bits) {
    }
}

#endif
