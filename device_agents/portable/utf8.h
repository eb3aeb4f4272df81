/* UTF-8. */
#ifndef EDGEPRUNE_UTF8_H
#define EDGEPRUNE_UTF8_H

#include <stddef.h>

#include "target.h"

/* Length of the UTF-8 sequence at `at`, 1 to 4; 0 if the `left` bytes begin with none.
 * Source: RFC 3629, section 4 (no overlong forms, no surrogates, at most U+10FFFF). */
size_t utf8_length(const unsigned char *at, size_t left);

#endif
