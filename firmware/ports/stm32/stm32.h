/* What stm32.c wants of a port's own file, beside board.h. */
#ifndef EDGEPRUNE_STM32_H
#define EDGEPRUNE_STM32_H

/* The core's clock, pins of the line, and the clocks of what stm32.c uses. */
void stm32_start(void);

/* Forgets what caches hold of flash. */
void stm32_forget_flash(void);

#endif
