import re

import numpy as np
import pytest
from full_range import also
from keras_nets import build, dataset, loaded
from nets import Net

from edgeprune.artifacts.model import Loaded, ModelFile
from edgeprune.convert import convert
from edgeprune.devices.boards import Cpu
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.prediction.xnnpack.spmm import analyse
from edgeprune.pruning import prune
from edgeprune.pruning.budget import kernel_pattern
from edgeprune.pruning.budget.kernel_pattern import BLOCKS, Layer, choose_patterns, cost
from edgeprune.pruning.patterns import by_magnitude
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.context import StageContext

A72 = Cpu("cortex-a72", "aarch64", ())
AVX = Cpu("host", "x86_64", ("avx", "avx2"))
SPEC = PruneTable(sparsity=0.8, pattern="kernel")


def packed(costs, pixels, out_blocks, nonzero_blocks, block, depth):
    """A cost that keeps what it was asked about."""
    return (pixels, out_blocks, nonzero_blocks, block, depth)


@pytest.mark.parametrize("sparsity", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("shape", [(64, 32), (66, 30), (67, 30), (3, 40), (2, 40), (1, 9)])
@pytest.mark.parametrize("name", BLOCKS)
def test_what_is_costed_is_what_the_runtime_packs(monkeypatch, name, shape, sparsity):
    monkeypatch.setattr(kernel_pattern, "spmm", packed)
    weights = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    plan = analyse(by_magnitude(name, weights, sparsity).values)
    found = cost(None, Layer("", *shape, 49), sparsity, BLOCKS[name])
    assert found[0] == 49
    assert (found[1], *found[3:]) == (plan.output_blocks, plan.block, plan.depth)
    assert abs(found[2] - plan.nonzero_blocks) <= 2  # rounding, of the full and the partial blocks


def test_each_layer_gets_the_pattern_that_costs_least(monkeypatch):
    def cheap_for(costs, pixels, out_blocks, nonzero_blocks, block, depth):
        return {1: 5.0, 10: 5.0 + abs(block - 2), 20: 5.0 + abs(block - 4)}[pixels]

    monkeypatch.setattr(kernel_pattern, "spmm", cheap_for)
    layers = [Layer(str(pixels), 8, 8, pixels) for pixels in (1, 10, 20)]
    layers += [Layer("dense", 8, 8, 0), Layer("lost", 8, 8, None)]
    found = choose_patterns(layers, 0.8, A72)
    assert found.patterns == {
        "1": "unstructured",
        "10": "2x1",
        "20": "4x1",
        "dense": "unstructured",
        "lost": "2x1",
    }
    assert any("2x1 in 1 layers that were not found again" in note for note in found.notes)


def test_a_layer_that_hardly_counts_is_pruned_freely_and_little_is_given_up(monkeypatch):
    def linear(costs, pixels, out_blocks, nonzero_blocks, block, depth):
        return float(pixels * nonzero_blocks)

    monkeypatch.setattr(kernel_pattern, "spmm", linear)
    layers = [Layer("large", 64, 64, 4096), Layer("small", 64, 64, 4)]
    found = choose_patterns(layers, 0.8, A72)
    assert found.patterns == {"large": "4x1", "small": "unstructured"}
    costs = [cost(None, layer, 0.8, BLOCKS[found.patterns[layer.name]]) for layer in layers]
    best = [cost(None, layer, 0.8, 4) for layer in layers]
    assert sum(best) < sum(costs) <= (1 + kernel_pattern.SLACK) * sum(best)


def test_without_sparse_kernels_nothing_is_restricted():
    found = choose_patterns([Layer("a", 8, 8, 49), Layer("b", 8, 8, None)], 0.8, AVX)
    assert set(found.patterns.values()) == {"unstructured"}
    assert "has no sparse kernels" in found.notes[0]


@pytest.mark.parametrize("sparsity", [0.7, 0.8, 0.9])
def test_on_a_cortex_a72_blocks_of_two_win_at_most_sizes_and_never_single_weights(sparsity):
    sizes = [(64, 32, 12544), (128, 128, 3136), (512, 512, 196), (1024, 1024, 49), (960, 160, 49)]
    layers = [Layer(str(size), *size) for size in sizes]
    found = list(choose_patterns(layers, sparsity, A72).patterns.values())
    assert set(found) <= {"2x1", "4x1"} and 2 * found.count("2x1") > len(found)


def blocks(tflite):
    """XNNPACK's block for each pointwise convolution."""
    model = graph.read(tflite)
    subgraph = model.subgraphs[0]
    return [
        analyse(graph.constant(model, subgraph.tensors[op.inputs[1]])[:, 0, 0, :]).block
        for op in subgraph.operators
        if graph.is_pointwise(model, subgraph, op)
    ]


def small():
    net = Net()
    x = net.conv(net.input(1, 8, 8, 16), 33)
    return net.build(net.dense(net.mean(net.conv(x, 46)), 10))


@pytest.mark.parametrize(("pattern", "block"), [("2x1", 2), ("4x1", 4), ("kernel", 2)])
def test_a_tflite_file_gets_its_pattern(pattern, block):
    model = Loaded(ModelFile("x.tflite", "", "tflite"), tflite=small())
    done = prune(model, PruneTable(sparsity=0.8, pattern=pattern), StageContext(cpu=A72))
    assert blocks(done.model.tflite) == [block, block]
    assert all(abs(t.zeros / t.weights - 0.8) < 0.03 for t in done.tensors)
    if pattern == "kernel":
        wanted = r"pattern kernel: 2x1 in 2 layers, for cortex-a72; .* 2x1 "
        assert any(re.match(wanted, note) for note in done.notes)


@pytest.mark.parametrize(
    ("training", "flavour"),
    [(False, "keras"), (True, "tf_keras"), also(True, "keras"), also(False, "tf_keras")],
)
def test_a_keras_model_keeps_its_pattern_through_training_and_conversion(flavour, training):
    model = loaded(build(flavour, "functional"), flavour)
    spec = PruneTable(sparsity=0.7, pattern="kernel", epochs=2, batch_size=32, control=False)
    data = dataset() if training else None
    done = prune(model, spec, StageContext(data, cpu=A72), dense=convert(model))
    assert min(blocks(convert(done.model))) >= 2  # the tiniest layers take blocks of 4
    kernel = done.masks["mix/kernel"]
    assert np.array_equal(kernel[..., 0::2], kernel[..., 1::2])


def test_the_choice_needs_to_know_the_cores():
    model = Loaded(ModelFile("x.tflite", "", "tflite"), tflite=small())
    with pytest.raises(ModelError, match="chooses by a board's costs, and no board was named"):
        prune(model, SPEC, StageContext())


@pytest.mark.parametrize(("features", "blocks"), [(("dsp",), "1x4"), (("dsp", "mve"), "1x16")])
def test_a_microcontroller_gets_blocks_of_what_its_core_multiplies_at_once(features, blocks):
    cpu = Cpu("cortex-m", "armv8.1-m", features)
    layers = [Layer("stem", 8, 27, 0, 3), Layer("conv", 8, 288, 0, 32), Layer("fc", 8, 64, 0)]
    choice = choose_patterns(layers, 0.75, cpu)
    assert choice.patterns == {"stem": "unstructured", "conv": blocks, "fc": blocks}
    (note,) = choice.notes
    assert blocks in note and "unstructured in 1" in note
