#include "utf8.h"

static size_t continuation_bytes(const unsigned char *at, size_t left, size_t wanted)
{
    if (left < wanted + 1) {
        return 0;
    }
    for (size_t i = 1; i <= wanted; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return wanted + 1;
}

size_t utf8_length(const unsigned char *at, size_t left)
{
    if (left == 0) {
        return 0;
    }
    if (at[0] < 0x80) {
        return 1;
    }
    if (at[0] >= 0xc2 && at[0] <= 0xdf) {
        return continuation_bytes(at, left, 1);
    }
    if (left < 2) {
        return 0;
    }
    if (at[0] >= 0xe0 && at[0] <= 0xef) {
        int overlong = at[0] == 0xe0 && at[1] < 0xa0;
        int surrogate = at[0] == 0xed && at[1] > 0x9f;
        return overlong || surrogate ? 0 : continuation_bytes(at, left, 2);
    }
    if (at[0] >= 0xf0 && at[0] <= 0xf4) {
        int overlong = at[0] == 0xf0 && at[1] < 0x90;
        int too_large = at[0] == 0xf4 && at[1] > 0x8f;
        return overlong || too_large ? 0 : continuation_bytes(at, left, 3);
    }
    return 0;
}
