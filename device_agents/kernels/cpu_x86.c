#include "cpu_x86.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <stdint.h>

enum { EAX, EBX, ECX, EDX };

/* Bits of CPUID, and of the extended control register 0 that says which registers the operating
 * system keeps. Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2A,
 * CPUID, and volume 1, section 13.1. */
enum {
    OSXSAVE = 1 << 27,                                      /* leaf 1, ECX */
    AVX2 = 1 << 5, AVX512F = 1 << 16, AVX512BW = 1 << 30,   /* leaf 7, EBX */
    AVX512_VNNI = 1 << 11,                                  /* leaf 7, ECX */
    AVX_VNNI = 1 << 4,                                      /* leaf 7, subleaf 1, EAX */
    KEEPS_YMM = 0x06, KEEPS_ZMM = 0xe6
};
#define AVX512VL (1u << 31) /* leaf 7, EBX */

static bool has_bits(uint32_t leaf, uint32_t subleaf, int part, uint32_t bits)
{
    uint32_t found[4] = {0};
    return __get_cpuid_count(leaf, subleaf, &found[EAX], &found[EBX], &found[ECX], &found[EDX]) !=
               0 &&
           (found[part] & bits) == bits;
}

static bool system_keeps(uint32_t registers)
{
    uint32_t low = 0, high = 0;
    if (!has_bits(1, 0, ECX, OSXSAVE)) {
        return false;
    }
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & registers) == registers;
}

bool cpu_has_avx2(void)
{
    return system_keeps(KEEPS_YMM) && has_bits(7, 0, EBX, AVX2);
}

bool cpu_has_avx_vnni(void)
{
    return cpu_has_avx2() && has_bits(7, 1, EAX, AVX_VNNI);
}

bool cpu_has_avx512_vnni(void)
{
    return system_keeps(KEEPS_ZMM) && has_bits(7, 0, EBX, AVX512F | AVX512BW | AVX512VL) &&
           has_bits(7, 0, ECX, AVX512_VNNI);
}

#else
typedef int cpu_x86_is_elsewhere; /* ISO C wants something in a file */
#endif
