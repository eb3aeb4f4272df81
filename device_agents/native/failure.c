#include "failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

bool fail(struct failure *failure, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure->text, sizeof failure->text, format, arguments);
    va_end(arguments);
    return false;
}

_Noreturn void die(const char *why)
{
    fprintf(stderr, "edgeprune-agent: %s\n", why);
    _exit(3);
}
