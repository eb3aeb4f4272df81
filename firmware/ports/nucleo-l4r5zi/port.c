/* Clocks and pins of NUCLEO-L4R5ZI. Source: ST RM0432, chapters 5 (PWR), 6 (RCC) and 8 (GPIO). */
#include "registers.h"
#include "stm32.h"

enum {
    RCC_CR = 0x40021000,
    RCC_CFGR = 0x40021008,
    RCC_PLLCFGR = 0x4002100c,
    RCC_AHB2ENR = 0x4002104c,
    RCC_APB1ENR1 = 0x40021058,
    RCC_APB1ENR2 = 0x4002105c,
    PWR_CR2 = 0x40007004,
    PWR_CR5 = 0x40007080,
    FLASH_ACR = 0x40022000,
    GPIOG_MODER = 0x48001800,
    GPIOG_AFRL = 0x48001820,
    GPIOG_AFRH = 0x48001824
};
enum { GPIOG_ON = 1 << 6, PWR_ON = 1 << 28, LPUART1_ON = 1 << 0, IOSV = 1 << 9, R1MODE = 1 << 8 };
enum { PLL_ON = 1 << 24, PLL_READY = 1 << 25, HALVED = 8 << 4, SW_PLL = 3, SWS_PLL = 3 << 2 };
enum { MSI_TIMES_60_HALVED = 1 << 0 | 60 << 8 | 1 << 24 }; /* 4 MHz * 60 / 2, to the core */
enum { DCEN = 1 << 10, DCRST = 1 << 12, WAIT_STATES = 5, SETTLING_LOOPS = 1000 };

void stm32_start(void)
{
    set_bits(RCC_APB1ENR1, PWR_ON);
    change_bits(PWR_CR5, R1MODE, 0); /* the range for more than 80 MHz */
    change_bits(FLASH_ACR, 15, WAIT_STATES);
    wait_for(FLASH_ACR, 15, WAIT_STATES);
    *register_at(RCC_PLLCFGR) = MSI_TIMES_60_HALVED;
    set_bits(RCC_CR, PLL_ON);
    wait_for(RCC_CR, PLL_READY, PLL_READY);
    change_bits(RCC_CFGR, 15 << 4, HALVED); /* in two steps above 80 MHz */
    change_bits(RCC_CFGR, 3, SW_PLL);
    wait_for(RCC_CFGR, 3 << 2, SWS_PLL);
    for (volatile unsigned i = 0; i < SETTLING_LOOPS; i++) {
    }
    change_bits(RCC_CFGR, 15 << 4, 0);
    set_bits(PWR_CR2, IOSV); /* port G has a supply of its own */
    set_bits(RCC_AHB2ENR, GPIOG_ON);
    set_bits(RCC_APB1ENR2, LPUART1_ON);
    change_bits(GPIOG_AFRL, 15U << 28, 8U << 28); /* PG7: LPUART1_TX */
    change_bits(GPIOG_AFRH, 15, 8);               /* PG8: LPUART1_RX */
    change_bits(GPIOG_MODER, 15 << 14, 10 << 14);
}

void stm32_forget_flash(void)
{
    change_bits(FLASH_ACR, DCEN, 0);
    set_bits(FLASH_ACR, DCRST);
    change_bits(FLASH_ACR, DCRST, 0);
    set_bits(FLASH_ACR, DCEN);
}
