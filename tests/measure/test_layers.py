import nets
import numpy as np
import odd_nets
import pytest
from int8_layers import random_layer

from edgeprune.agents.session import Profile, ProfileEvent
from edgeprune.errors import DeviceError
from edgeprune.measure.layers import layer_timings
from edgeprune.sparsify.own_kernels import with_own_kernels


def profile(*kernels):
    events = tuple(ProfileEvent(tag, source, 1) for tag, source in kernels)
    return Profile(tuple(dict.fromkeys(event.tag for event in events)), (events,))


def test_an_operator_without_outputs_has_no_layer_and_breaks_none():
    found = profile(("CALL_ONCE", 1), ("Fully Connected (NC, F32) GEMM", 2), ("Add (ND)", 2))
    layers = layer_timings(found, odd_nets.accumulator(), emulated=False)
    assert [layer.op for layer in layers] == ["CALL_ONCE", "FULLY_CONNECTED", "ADD"]
    assert [layer.kernel for layer in layers] == list(found.tags)


@pytest.mark.parametrize("tflite", [odd_nets.loop(), odd_nets.choice()], ids=["loop", "choice"])
def test_kernels_of_a_branch_belong_to_no_layer_of_the_main_graph(tflite):
    found = profile(("WHILE", 1), *[("Fully Connected (NC, F32) GEMM", 2)] * 3)
    layers = layer_timings(found, tflite, emulated=False)
    assert {layer.name for layer in layers[1:]} == {"Fully Connected (NC, F32) GEMM"}


def test_kernels_of_the_interpreter_and_of_arithmetic_have_their_layers_names():
    net = odd_nets.OddNet()
    x = net.conv(net.input(1, 4, 4, 3), 8, act=None)
    wide = net.op("EXPAND_DIMS", [x, net.const(np.int32(1))], (1, 1, 4, 4, 8))
    product = net.op("MUL", [wide, wide], (1, 1, 4, 4, 8), "MulOptions")
    other = net.const(np.ones(8, np.float32))
    y = net.op("SUB", [net.op("LOGISTIC", [product], (1, 1, 4, 4, 8)), other], (1, 1, 4, 4, 8),
               "SubOptions")  # fmt: skip
    tflite = net.build(y)
    ran = [("Convolution (NHWC, F32) IGEMM", 2), ("EXPAND_DIMS", 1), ("Square (NC)", 2),
           ("Sigmoid (NC)", 2), ("Subtract (ND)", 2)]  # fmt: skip
    layers = layer_timings(profile(*ran), tflite, emulated=False)
    assert [one.op for one in layers] == ["CONV_2D", "EXPAND_DIMS", "MUL", "LOGISTIC", "SUB"]
    (twice,) = {
        layer.op
        for layer in layer_timings(profile(*ran, ran[-1]), tflite, emulated=False)
        if layer.kernel == "Subtract (ND)"
    }
    assert twice == "UNKNOWN"  # one more than there are: nothing is guessed


SPMM = ("Convolution (NCHW, F32) SPMM", 2)


def test_more_sparse_kernels_than_layers_that_can_be_sparse_are_a_lie():
    tflite = nets.eligible()
    dense = layer_timings(profile(("Convolution (NHWC, F32) IGEMM", 2)), tflite, emulated=False)
    assert not dense[0].sparse
    known = layer_timings(profile(SPMM), tflite, emulated=False)
    assert known[0].sparse
    with pytest.raises(DeviceError, match="it names 50 sparse kernels, and the model has"):
        layer_timings(profile(*[SPMM] * 50), tflite, emulated=False)


def test_a_sparse_kernel_for_dense_weights_is_a_lie():
    net = nets.Net()
    x = net.input(1, 8, 8, 3)
    tflite = net.build(net.dense(net.mean(net.conv(x, 16, kernel=1)), 10))
    with pytest.raises(DeviceError, match="names 1 sparse kernels, and the model has 0 layers"):
        layer_timings(profile(SPMM), tflite, emulated=False)


def own_file():
    return with_own_kernels(random_layer(3, "CONV_2D", 0.9, 4).tflite)[0]


def test_a_kernel_of_our_own_is_sparse_and_has_its_layers_name():
    found = profile(("edgeprune.conv.0 sparse int8 neon_dot", 1))
    (layer,) = layer_timings(found, own_file(), emulated=False)
    assert (layer.op, layer.sparse, layer.kernel) == ("CONV_2D", True, found.tags[0])
    assert layer.name not in ("", layer.kernel)


@pytest.mark.parametrize(
    ("number", "count"), [(1, 1), (0, 2)], ids=["another operator", "one more than there are"]
)
def test_kernels_of_our_own_that_the_file_does_not_ask_for_are_a_lie(number, count):
    found = profile(*[(f"edgeprune.conv.{number} sparse int8 neon_dot", 1)] * count)
    with pytest.raises(DeviceError, match="of edgeprune's own kernels, and the file asks for 1"):
        layer_timings(found, own_file(), emulated=False)
