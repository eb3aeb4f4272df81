/* Sums at the borders of rounding, requantized by Helium and by plain C: exits with 0 if all are equal.
 *
 * For every shift, for multipliers at the ends of their range and between, and for every output of int8
 * and some beyond: the sums whose product lies just below, at and just above the half. */
#include <stdio.h>

#include "mve.h"
#include "requantize.h"

enum { FIRST = -200, LAST = 200, MAX_SUM = (1 << 30) - 1, MAX_SHIFT = 22 };

static struct ep_channel table[4];
static int8_t shifts[4];
static int32_t zero_point, sums[4];
static uint32_t filled, wrong, tried;

/* Requantizes four sums in all ways. */
static void run(void)
{
    const struct mve_channels four = mve_load_channels(table, shifts, zero_point);
    const struct mve_channel first = mve_load_channel(table, shifts, zero_point);
    int32_t twice[4], alone[4], once[4];
    vst1q_s32(twice, mve_requantize_four(vld1q_s32(sums), &four));
    vst1q_s32(once, mve_requantize_once(vld1q_s32(sums), &four));
    vst1q_s32(alone, mve_requantize_one(vld1q_s32(sums), &first));
    for (unsigned i = 0; i < 4; i++) {
        const int32_t multiplier = table[i].multiplier, shift = shifts[i];
        const int32_t wanted = ep_requantize_twice(sums[i], multiplier, shift) + zero_point;
        wrong += twice[i] != wanted;
        wrong += alone[i] != wanted;
        wrong += once[i] != ep_requantize_once(sums[i], multiplier, shift) + zero_point;
        tried++;
    }
}

static void add(int64_t sum)
{
    if (sum < -MAX_SUM || sum > MAX_SUM) {
        return;
    }
    sums[filled++] = (int32_t)sum;
    if (filled == 4) {
        run();
        filled = 0;
    }
}

static void add_borders(int32_t multiplier, int32_t shift)
{
    for (int64_t value = FIRST; value <= LAST; value++) {
        const int64_t half = value * (INT64_C(1) << shift) + (INT64_C(1) << (shift - 1));
        for (int64_t high = half - 1; high <= half + 1; high++) {
            const int64_t sum = high * (INT64_C(1) << 31) / multiplier;
            for (int64_t near = sum - 2; near <= sum + 2; near++) {
                add(near);
            }
        }
    }
    const int64_t ends[] = {0, -1, 1, MAX_SUM, -MAX_SUM, MAX_SUM - 1, 1 - MAX_SUM, 1 << 20};
    for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++) {
        add(ends[i]);
    }
}

int main(void)
{
    static const int32_t MULTIPLIERS[] = {1 << 30,    (1 << 30) + 1, 0x55555555, 0x5a827999,
                                          1610612736, 2147483646,    INT32_MAX};
    static const int32_t ZERO_POINTS[4] = {-128, 127, 0, -1};
    for (int32_t shift = 1; shift <= MAX_SHIFT; shift++) {
        for (unsigned m = 0; m < sizeof MULTIPLIERS / sizeof *MULTIPLIERS; m++) {
            for (unsigned i = 0; i < 4; i++) {
                table[i].multiplier = MULTIPLIERS[m];
                shifts[i] = (int8_t)shift;
            }
            for (unsigned i = 0; i < 4; i++) {
                zero_point = ZERO_POINTS[i];
                add_borders(MULTIPLIERS[m], shift);
            }
        }
    }
    printf("%lu sums, %lu wrong\n", (unsigned long)tried, (unsigned long)wrong);
    return wrong != 0 || tried < 100000;
}
