import odd_nets
import pytest

from edgeprune.agents.session import Profile, ProfileEvent
from edgeprune.run.layers import layer_timings


def profile(*kernels):
    events = tuple(ProfileEvent(tag, source, 1) for tag, source in kernels)
    return Profile(tuple(dict.fromkeys(event.tag for event in events)), (events,))


def test_an_operator_without_outputs_has_no_layer_and_breaks_none():
    found = profile(("CALL_ONCE", 1), ("Fully Connected (NC, F32) GEMM", 2), ("Add (ND)", 2))
    layers = layer_timings(found, odd_nets.accumulator(), emulated=False)
    assert [layer.op for layer in layers] == ["UNKNOWN", "FULLY_CONNECTED", "ADD"]
    assert [layer.kernel for layer in layers] == list(found.tags)


@pytest.mark.parametrize("tflite", [odd_nets.loop(), odd_nets.choice()], ids=["loop", "choice"])
def test_kernels_of_a_branch_belong_to_no_layer_of_the_main_graph(tflite):
    found = profile(("WHILE", 1), *[("Fully Connected (NC, F32) GEMM", 2)] * 3)
    layers = layer_timings(found, tflite, emulated=False)
    assert {layer.name for layer in layers} == set(found.tags)
