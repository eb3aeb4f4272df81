/* What a compiler takes for granted even where there is no C library. */
#include <string.h>

#include <stdint.h>

/* So that a compiler does not make a call of the very function out of its loop. */
#define STAY_A_LOOP __asm__ volatile("")

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    unsigned char *next = to;
    const unsigned char *source = from;
    if (((uintptr_t)to | (uintptr_t)from) % sizeof(uint32_t) == 0) {
        for (; bytes >= sizeof(uint32_t); bytes -= sizeof(uint32_t)) {
            *(uint32_t *)(void *)next = *(const uint32_t *)(const void *)source;
            next += sizeof(uint32_t);
            source += sizeof(uint32_t);
            STAY_A_LOOP;
        }
    }
    for (; bytes > 0; bytes--) {
        *next++ = *source++;
        STAY_A_LOOP;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    unsigned char *next = to;
    const unsigned char *source = from;
    if ((uintptr_t)to <= (uintptr_t)from) {
        return memcpy(to, from, bytes); /* which goes upwards */
    }
    while (bytes > 0) {
        bytes--;
        next[bytes] = source[bytes];
        STAY_A_LOOP;
    }
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    unsigned char *next = to;
    for (; bytes > 0; bytes--) {
        *next++ = (unsigned char)value;
        STAY_A_LOOP;
    }
    return to;
}

int memcmp(const void *one, const void *other, size_t bytes)
{
    const unsigned char *a = one, *b = other;
    for (size_t i = 0; i < bytes; i++) {
        if (a[i] != b[i]) {
            return a[i] < b[i] ? -1 : 1;
        }
    }
    return 0;
}

size_t strlen(const char *text)
{
    size_t bytes = 0;
    while (text[bytes] != '\0') {
        bytes++;
        STAY_A_LOOP;
    }
    return bytes;
}
