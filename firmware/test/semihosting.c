/* Start of a test program on an emulated core: vectors are allowed; newlib's start code does the rest. */
#include <stddef.h>
#include <stdint.h>

extern void _start(void);
extern uint32_t stack_end;
extern char end; /* of what the linker placed */

void *_sbrk(ptrdiff_t more);

/* For malloc. Newlib's own asks the emulator, which knows no heap on mps3-an547. */
void *_sbrk(ptrdiff_t more)
{
    static char *top = &end;
    char *from = top;
    top += more;
    return from;
}

/* CPACR of Armv7-M and Armv8-M: full access to coprocessors 10 and 11, floats and Helium. */
#define CPACR (*(volatile uint32_t *)0xe000ed88u)

static void reset(void)
{
    CPACR |= 0xfu << 20;
    __asm__ volatile("dsb\n isb\n" ::: "memory");
    _start();
}

__attribute__((section(".vectors"), used)) static const struct {
    void *stack;
    void (*reset)(void);
} VECTORS = {&stack_end, reset};
