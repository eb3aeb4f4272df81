#include "call.h"

int64_t call_integer(const struct call *call, const char *key)
{
    return json_find(call->arguments, key)->integer;
}

bool call_in_range(struct call *call, const char *key, int64_t low, int64_t high)
{
    int64_t value = call_integer(call, key);
    return (value >= low && value <= high) ||
           fail(&call->failure, "%s is %lld, must be %lld to %lld", key, (long long)value,
                (long long)low, (long long)high);
}

void call_moment(struct call *call, const char *key, int64_t ns)
{
    text_raw(call->answer, key);
    text_integer(call->answer, ns);
}
