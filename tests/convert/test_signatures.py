import numpy as np
import pytest
from nets import Net, eligible

from edgeprune.convert.signatures import with_main_signature
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.host_shapes import native_trouble


def two_outputs(names=None):
    net = Net()
    x = net.conv(net.input(1, 4, 4, 3), 4)
    tflite = net.build(net.mean(x), net.relu(x))
    model = graph.read(tflite)
    for tensor in model.subgraphs[0].tensors if names else ():
        tensor.name = names
    return model


def listed(tflite):
    signature = graph.read(tflite).signatureDefs[0]
    return [[entry.tensorIndex for entry in side] for side in (signature.inputs, signature.outputs)]


def test_a_file_that_can_be_called_stays_as_it_is():
    model = two_outputs()
    graph.add_signature(model, ["x"], ["a", "b"])
    for tflite in (eligible(), graph.write(model)):
        assert with_main_signature(tflite) is tflite


def test_names_that_are_the_same_get_a_signature_that_tells_them_apart():
    # without one, the native interface ends the process
    tflite = with_main_signature(graph.write(two_outputs(b"same")))
    assert native_trouble(tflite) == ""


@pytest.mark.parametrize("left_out", ["input", "output"])
def test_a_signature_that_leaves_a_tensor_out_is_written_anew(left_out):
    model = two_outputs()
    graph.add_signature(model, ["x"], ["a", "b"])
    if left_out == "input":
        model.signatureDefs[0].inputs = []
    else:
        model.signatureDefs[0].outputs = model.signatureDefs[0].outputs[:1]
    broken = graph.write(model)
    assert native_trouble(broken)
    tflite = with_main_signature(broken)
    assert native_trouble(tflite) == ""
    inputs, outputs = graph.io_tensors(graph.read(tflite))
    assert listed(tflite) == [inputs, outputs]


def test_the_main_graphs_signature_comes_first():
    model = two_outputs()
    graph.add_signature(model, ["x"], ["a", "b"])
    (main,) = model.signatureDefs
    other = graph.read(graph.write(model)).signatureDefs[0]
    other.subgraphIndex, other.signatureKey = 1, b"other"
    model.subgraphs.append(graph.read(graph.write(two_outputs())).subgraphs[0])
    for tensor in model.subgraphs[1].tensors:
        tensor.buffer = 0
    model.subgraphs[1].operators = model.subgraphs[1].operators[:0]
    model.subgraphs[1].outputs = np.array(model.subgraphs[1].inputs, np.int32)
    model.subgraphs[1].inputs = np.array(model.subgraphs[1].inputs, np.int32)
    other.inputs, other.outputs = other.inputs[:1], other.inputs[:1]
    model.signatureDefs = [other, main]
    found = graph.read(with_main_signature(graph.write(model))).signatureDefs
    assert [one.subgraphIndex for one in found] == [0, 1]
