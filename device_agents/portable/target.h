/* What the code in this folder takes for granted of a compiler: where it does not hold, nothing
 * compiles, in place of wrong results. */
#ifndef EDGEPRUNE_TARGET_H
#define EDGEPRUNE_TARGET_H

#include <limits.h>
#include <stdint.h>

/* A static assertion of C99: an array may not have -1 elements. */
#define TARGET_NEEDS(what, holds) typedef char target_needs_##what[(holds) ? 1 : -1]

TARGET_NEEDS(bytes_of_8_bits, CHAR_BIT == 8);
TARGET_NEEDS(int_of_32_bits_or_more, sizeof(int) >= 4);
TARGET_NEEDS(twos_complement, (-1 & 3) == 3);
/* Shifted to the right, a negative number is rounded down: epz_adaptive.c. */
TARGET_NEEDS(arithmetic_shift, (-1 >> 1) == -1);
TARGET_NEEDS(arithmetic_shift_of_64_bits, (INT64_C(-1) >> 1) == -1);

#endif
