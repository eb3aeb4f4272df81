/* Clocks and pins of NUCLEO-U575ZI-Q. Source: ST RM0456, chapters 10 (PWR), 11 (RCC), 13 (GPIO) and 8 (ICACHE). */
#include "registers.h"
#include "stm32.h"

enum {
    RCC_CR = 0x46020c00,
    RCC_CFGR1 = 0x46020c1c,
    RCC_PLL1CFGR = 0x46020c28,
    RCC_PLL1DIVR = 0x46020c34,
    RCC_AHB2ENR1 = 0x46020c8c,
    RCC_AHB3ENR = 0x46020c94,
    RCC_APB2ENR = 0x46020ca4,
    PWR_VOSR = 0x4602080c,
    FLASH_ACR = 0x40022000,
    ICACHE_CR = 0x40030400,
    ICACHE_SR = 0x40030404,
    GPIOA_MODER = 0x42020000,
    GPIOA_AFRH = 0x42020024
};
enum { GPIOA_ON = 1 << 0, PWR_ON = 1 << 2, USART1_ON = 1 << 14 };
enum { RANGE_1 = 3 << 16, RANGE_READY = 1 << 15, BOOST_ON = 1 << 18, BOOST_READY = 1 << 14 };
enum { PLL_ON = 1 << 24, PLL_READY = 1 << 25, SW_PLL = 3, SWS_PLL = 3 << 2 };
enum { FROM_MSIS = 1 << 0, TO_CORE = 1 << 18 };
enum { TIMES_80_HALVED = (80 - 1) << 0 | (2 - 1) << 9 | (2 - 1) << 16 | (2 - 1) << 24 };
enum { WAIT_STATES = 4, CACHE_ON = 1 << 0, CACHE_FORGET = 1 << 1, CACHE_BUSY = 1 << 0 };

void stm32_start(void)
{
    set_bits(RCC_AHB3ENR, PWR_ON);
    change_bits(PWR_VOSR, RANGE_1, RANGE_1);
    wait_for(PWR_VOSR, RANGE_READY, RANGE_READY);
    *register_at(RCC_PLL1CFGR) = FROM_MSIS; /* 4 MHz, which is what feeds the booster as well */
    set_bits(PWR_VOSR, BOOST_ON);           /* for more than 55 MHz */
    wait_for(PWR_VOSR, BOOST_READY, BOOST_READY);
    change_bits(FLASH_ACR, 15, WAIT_STATES);
    wait_for(FLASH_ACR, 15, WAIT_STATES);
    *register_at(RCC_PLL1DIVR) = TIMES_80_HALVED;
    set_bits(RCC_PLL1CFGR, TO_CORE);
    set_bits(RCC_CR, PLL_ON);
    wait_for(RCC_CR, PLL_READY, PLL_READY);
    change_bits(RCC_CFGR1, 3, SW_PLL);
    wait_for(RCC_CFGR1, 3 << 2, SWS_PLL);
    set_bits(ICACHE_CR, CACHE_ON);
    set_bits(RCC_AHB2ENR1, GPIOA_ON);
    set_bits(RCC_APB2ENR, USART1_ON);
    change_bits(GPIOA_AFRH, 255 << 4, 7 << 4 | 7 << 8); /* PA9: USART1_TX, PA10: USART1_RX */
    change_bits(GPIOA_MODER, 15 << 18, 10 << 18);
}

void stm32_forget_flash(void)
{
    wait_for(ICACHE_SR, CACHE_BUSY, 0);
    set_bits(ICACHE_CR, CACHE_FORGET);
    wait_for(ICACHE_SR, CACHE_BUSY, 0);
}
