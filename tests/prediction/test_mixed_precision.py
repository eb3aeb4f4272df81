"""What ``explain`` says of files of mixed precision is what the emulated boards do."""

import random
from collections import Counter

import emulated
import pytest
import random_nets
from full_range import also
from nets import Net

from edgeprune import verify
from edgeprune.devices.boards import load_board, resolved_cpu
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.prediction import explain
from edgeprune.quantize import quantize
from edgeprune.quantize.layer_modes import layers_of
from edgeprune.recipe.quantize_table import MODES, LayerMode
from edgeprune.sparsify import sparsify, stored_dense
from edgeprune.verify.host import rounding_of
from edgeprune.verify.parity import parity

COUNTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "QUANTIZE", "DEQUANTIZE")
OUTSIDE = "it runs outside XNNPACK"
CASES = [
    ("rpi4-emulated", 39),
    ("rpi5-emulated", 96),
    *(also("rpi4-emulated", seed) for seed in (15, 22, 121)),
    also("rpi5-emulated", 13),
    *(also("rpi4-emulated", seed) for seed in range(160, 260)),
]
"""Seeds whose files have layers in and outside of XNNPACK, integers between floats, and outputs
that a layer of another mode reads."""


def mixed(seed):
    """A random network in random modes; None where it is refused or stored narrow already."""
    drawn = random.Random(seed)
    tflite = random_nets.random_graph(drawn)
    model = graph.read(tflite)
    if any(graph.op_name(model, op) == "DEQUANTIZE" for op in model.subgraphs[0].operators):
        return None
    base = drawn.choice(["int8", "int8", "none"])
    layers = [LayerMode(n, drawn.choice(MODES)) for n in layers_of(model) if drawn.random() < 0.4]
    try:
        file = quantize(tflite, base, verify.sample_inputs(tflite, None, 4), layers=layers).tflite
        verify.HostModel(file, reference=False)
    except ModelError:
        return None
    return file


@pytest.mark.device
@pytest.mark.parametrize(("board", "seed"), CASES)
def test_planned_kernels_run_and_outputs_are_right(board, seed, monkeypatch, tmp_path):
    monkeypatch.setattr(emulated, "BOARD", board)
    found = mixed(seed)
    if found is None:
        return
    checked(sparsify(found, resolved_cpu(load_board(board).cpu)).tflite, board, tmp_path)


def checked(file, board, folder):
    """The plan of a file, once what ran there was what it says, and the outputs were right."""
    kind = load_board(board)
    plan = explain(file, resolved_cpu(kind.cpu), release=kind.runtime.version)
    ran = emulated.kernels(file, folder)
    assert {layer.name for layer in ran if layer.sparse} == set(plan.sparse)
    outside = Counter(op.op for op in plan.operators if op.reason.startswith(OUTSIDE))
    assert Counter(layer.kernel for layer in ran if layer.kernel in COUNTED) == Counter(
        {op: count for op, count in outside.items() if op in COUNTED}
    )
    dense = stored_dense(file)
    samples = verify.sample_inputs(file, None, 4)
    expected = verify.reference_outputs(dense, samples)
    outputs = emulated.outputs(file, folder, samples)
    assert parity(dense, expected, outputs, board, rounding_of(dense, samples)).passed
    return plan


@pytest.mark.device
@pytest.mark.parametrize("storage", ["none", "int8-weights", "fp16"])
def test_sparse_layers_in_floats_run_sparse_beside_a_layer_on_integers(storage, tmp_path):
    net = Net()
    x = net.conv(net.pad(net.input(1, 16, 16, 3)), 16, kernel=3, stride=2, padding="VALID")
    x = net.conv(x, 64, sparsity=0.9)
    x = net.conv(net.depthwise(net.pad(x), stride=2, padding="VALID"), 64, sparsity=0.9)
    tflite = net.build(net.dense(net.mean(x), 10, sparsity=0.9))
    head = [LayerMode(list(layers_of(graph.read(tflite)))[-1], "int8")]
    inputs = verify.sample_inputs(tflite, None, 4)
    file = quantize(tflite, storage, inputs, layers=head).tflite
    stored = sparsify(file, resolved_cpu(load_board("rpi4-emulated").cpu)).tflite
    assert len(checked(stored, "rpi4-emulated", tmp_path).sparse) == 2


@pytest.mark.device
def test_conversions_are_named_after_what_they_make(tmp_path):
    file = mixed(15)
    named = {layer.op for layer in emulated.kernels(file, tmp_path)}
    assert {"QUANTIZE", "DEQUANTIZE"} <= named
