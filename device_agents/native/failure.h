/* Why something did not succeed. */
#ifndef EDGEPRUNE_FAILURE_H
#define EDGEPRUNE_FAILURE_H

#include <stdbool.h>

struct failure {
    char text[1024];
};

/* Writes the text of a failure and returns false, so that a caller can return both at once. */
__attribute__((format(printf, 2, 3))) bool fail(struct failure *failure, const char *format, ...);

/* Says `why` on standard error and ends the process with status 3. */
_Noreturn void die(const char *why);

#endif
