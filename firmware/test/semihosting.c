/* Start of a test program on an emulated core: newlib's own start code does the rest. */
#include <stdint.h>

extern void _start(void);
extern uint32_t stack_end;

__attribute__((section(".vectors"), used)) static const struct {
    void *stack;
    void (*reset)(void);
} VECTORS = {&stack_end, _start};
