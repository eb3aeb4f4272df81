#include "say.h"

#include <string.h>

#include "edgeprune/port.h"
#include "text.h"

void say(const char *text) { ep_port_write(text, strlen(text)); }

void say_number(int64_t number)
{
    char digits[24];
    struct text text = {digits, 0, sizeof digits, NULL, false};
    text_integer(&text, number);
    ep_port_write(text.data, text.bytes);
}

void say_three(const char *before, int64_t number, const char *behind)
{
    say(before);
    say_number(number);
    say(behind);
}

void say_real(float value)
{
    const float limit = 1e9f;
    const float milli = value * 1000.0f;
    /* In this order, what is no number becomes a number. */
    const float low = milli > -limit ? milli : -limit;
    const float within = low < limit ? low : limit;
    const int32_t rounded = (int32_t)(within < 0.0f ? within - 0.5f : within + 0.5f);
    const int32_t size = rounded < 0 ? -rounded : rounded;
    say(rounded < 0 ? "-" : "");
    say_number(size / 1000);
    const char decimals[] = {'.', (char)('0' + size / 100 % 10), (char)('0' + size / 10 % 10),
                             (char)('0' + size % 10)};
    ep_port_write(decimals, sizeof decimals);
}
