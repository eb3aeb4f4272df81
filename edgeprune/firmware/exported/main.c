#include "edgeprune/engine.h"
#include "model.h"

static uint32_t arena[(MODEL_ARENA_BYTES + 3) / 4];

int main(void)
{
    struct ep_engine engine;
    if (ep_prepare(&engine, model_plan, MODEL_PLAN_BYTES, arena, sizeof arena) != EP_OK) {
        return 1;
    }
    int8_t *input = ep_input(&engine, 0);
    for (uint32_t i = 0; i < ep_input_tensor(&engine, 0)->bytes; i++) {
        input[i] = 0; /* your features, as int8 */
    }
    ep_run(&engine, NULL, NULL);
    return ep_output(&engine, 0)[0] == 0; /* your answer, as int8 */
}
