/* A fuzzer of our own, guided by coverage as gcc reports it (-fsanitize-coverage=trace-pc).
 *
 *     fuzz CORPUS SECONDS [SEED]
 *
 * runs `fuzz_one` on the files of the folder CORPUS and on what it makes of them; what reaches new code is
 * kept there. What brings the program down is left in CORPUS/crash. */
#ifndef EDGEPRUNE_FUZZ_H
#define EDGEPRUNE_FUZZ_H

#include <stddef.h>
#include <stdint.h>

enum { FUZZ_MAX_BYTES = 8192 };

/* Must return, whatever the bytes are. */
void fuzz_one(const uint8_t *data, size_t bytes);

/* Words that inputs may hold; the last is NULL. */
extern const char *const FUZZ_WORDS[];

#endif
