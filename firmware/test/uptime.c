/* Years of uptime: the counter of 32 bits begins anew again and again while nothing is asked, and what is asked then
 * is answered with the right time. Prints the microseconds that have passed at the end. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edgeprune/port.h"
#include "edgeprune/server.h"
#include "memory_port.h"

enum { POLLS = 500, ASKED_EVERY = 7, JUMP_TICKS = 1 << 30 };

static const char TIMESTAMP[] = "timestamp%";
static jmp_buf done;
static uint64_t passed;
static unsigned polls;

static void check(void)
{
    static const char LAP[] = "m-lap-us-";
    memory_port.sent[memory_port.sent_bytes] = '\0';
    const char *lap = strstr((const char *)memory_port.sent, LAP);
    if (lap == NULL) {
        memory_fail("there was no answer");
        return;
    }
    const uint64_t told = strtoull(lap + strlen(LAP), NULL, 10);
    if (told != passed * 1000000 / ep_port.tick_hz) {
        memory_fail("the time is wrong");
    }
}

static void starve(void)
{
    if (polls > 0 && polls % ASKED_EVERY == 0) {
        check();
    }
    if (polls++ == POLLS) {
        longjmp(done, 1);
    }
    memory_port.ticks += JUMP_TICKS;
    passed += JUMP_TICKS;
    if (polls % ASKED_EVERY == 0) {
        memory_port.sent_bytes = 0;
        memory_port.coming = (const uint8_t *)TIMESTAMP;
        memory_port.coming_bytes = sizeof TIMESTAMP - 1;
    }
}

int main(void)
{
    memset(memory_port.flash, 0xff, sizeof memory_port.flash);
    memory_port.cut_at = -1;
    memory_port.starve = starve;
    if (setjmp(done) == 0) {
        ep_serve();
    }
    printf("%llu\n", (unsigned long long)(passed * 1000000 / ep_port.tick_hz));
    return 0;
}
