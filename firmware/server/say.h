/* Text on a port's line. */
#ifndef EDGEPRUNE_SAY_H
#define EDGEPRUNE_SAY_H

#include <stdint.h>

void say(const char *text);
void say_number(int64_t number);
void say_three(const char *before, int64_t number, const char *behind);

/* With three decimals. */
void say_real(float value);

#endif
