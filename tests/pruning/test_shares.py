import functools

import numpy as np
import pytest
from full_range import also
from keras_nets import build, dataset, loaded, shown_in_tf_keras

import edgeprune
from edgeprune.artifacts.dataset import Dataset
from edgeprune.artifacts.model import Loaded, ModelFile
from edgeprune.convert import convert
from edgeprune.devices.boards import Cpu, load_board, resolved_cpu
from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import import_keras
from edgeprune.prediction.cost.cycles import costs_of
from edgeprune.pruning import prune
from edgeprune.pruning.allocation.cost_aware import MIN_CLUSTER_SPARSITY
from edgeprune.pruning.budget.kernel_pattern import Layer, cost
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.context import StageContext


def cpu():
    return resolved_cpu(load_board("rpi4").cpu)


def pointwise_net(flavour="keras"):
    """Three pointwise layers on maps of 8x8, 8x8 and 4x4 pixels, and a head."""
    keras = import_keras(flavour)
    keras.utils.set_random_seed(0)
    layers = keras.layers
    x = inputs = layers.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, 2, "same", activation="relu", name="stem")(x)
    x = layers.Conv2D(16, 1, activation="relu", name="first")(x)
    x = layers.Conv2D(32, 1, activation="relu", name="second")(x)
    x = layers.DepthwiseConv2D(3, 2, "same", name="down")(x)
    x = layers.Conv2D(64, 1, activation="relu", name="third")(x)
    return keras.Model(inputs, layers.Dense(4, name="head")(layers.GlobalAveragePooling2D()(x)))


SIZES = {"first": (16, 8, 64), "second": (32, 16, 64), "third": (64, 32, 16)}


def samples(count=64):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 16, 16, 3)).astype(np.float32)
    return Dataset(x, rng.integers(0, 4, count), x[:0], None, "test")


def spec(allocation, **rest):
    options = {"sparsity": 0.8, "epochs": 1, "batch_size": 32, "control": False, **rest}
    return PruneTable(allocation=allocation, **options)


def predicted(tensors):
    """By the board's table, from the zeros that are there."""
    board, total = costs_of(cpu()), 0.0
    for tensor in tensors:
        if size := SIZES.get(tensor.name.partition("/")[0]):
            total += cost(board, Layer("", *size), tensor.zeros / tensor.weights, 1)
    return total


@functools.cache
def cost_aware(flavour):
    """The dense model, its weights and file, and what was made of it."""
    net = pointwise_net(flavour)
    model = loaded(net, flavour)
    before = [np.array(value) for value in net.get_weights()]
    dense = convert(model)
    done = prune(model, spec("cost_aware"), StageContext(samples(), cpu=cpu()), dense=dense)
    return model, before, dense, done


@shown_in_tf_keras
def test_cost_aware_prunes_and_trains_within_uniform_s_predicted_cost(flavour):
    model, before, dense, done = cost_aware(flavour)
    uniform = prune(model, spec("uniform"), StageContext(cpu=cpu()), dense=dense)
    assert predicted(done.tensors) <= predicted(uniform.tensors) * 1.01
    shares = {one.name.partition("/")[0]: one for one in done.shares}
    assert shares["head"].sparsity == 0.8 and shares["head"].cost is None
    assert len({round(one.sparsity, 3) for one in done.shares}) > 2
    for tensor in done.tensors:
        got = shares[tensor.name.partition("/")[0]].sparsity
        assert tensor.zeros == int(got * tensor.weights + 0.5)
    counted = [one for one in done.tensors if "head" not in one.name]
    assert (
        sum(one.zeros for one in counted)
        >= MIN_CLUSTER_SPARSITY * sum(one.weights for one in counted) - 3
    )
    assert not uniform.shares
    for old, new in zip(before, model.keras.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_report_holds_what_was_measured_and_what_was_chosen():
    for one in cost_aware("tf_keras")[-1].shares:
        assert len(one.sparsities) == len(one.loss_increases) == len(one.output_errors)
        assert one.loss_increases[0] == 0 and one.output_errors[0] == 0
        assert one.output_error is not None and 0 < one.output_error < 1
        assert one.loss_increase is not None
        if "head" not in one.name:
            assert len(one.costs_at) == len(one.sparsities)
            assert one.costs_at[0] > one.cost > one.costs_at[-1]


@pytest.mark.parametrize("pattern", [also("unstructured"), "2x1", also("1x4")])
def test_sensitivity_from_python_has_uniform_s_zeros(pattern):
    data = samples()
    options = {"sparsity": 0.75, "pattern": pattern, "epochs": 1, "control": False}
    done = edgeprune.prune(
        pointwise_net(), (data.x_train, data.y_train), allocation="sensitivity", **options
    )
    zeros = sum(one.zeros for one in done.tensors)
    weights = sum(one.weights for one in done.tensors)
    assert zeros / weights == pytest.approx(0.75, abs=0.01)
    assert all(one.cost is None for one in done.shares)
    assert len({round(one.sparsity, 3) for one in done.shares}) > 2


def test_the_pattern_kernel_is_priced_as_it_is_chosen():
    model = loaded(pointwise_net(), "keras")
    kernels = spec("cost_aware", pattern="kernel")
    done = prune(model, kernels, StageContext(samples(), cpu=cpu()), dense=convert(model))
    blocks = {"unstructured": 1, "2x1": 2, "4x1": 4}
    for one in done.shares:
        if size := SIZES.get(one.name.partition("/")[0]):
            layer = Layer("", *size)
            wanted = cost(costs_of(cpu()), layer, one.sparsity, blocks[one.pattern])
            assert one.unit == "cycles" and one.cost == pytest.approx(wanted)


@pytest.mark.parametrize("allocation", ["sensitivity", "cost_aware"])
def test_without_training_data_one_line_says_what_is_needed(allocation):
    model = loaded(build("keras", "functional"), "keras")
    line = rf"^the allocation {allocation} .* training data \(--data\); uniform, global and erk"
    with pytest.raises(ModelError, match=line):
        prune(model, spec(allocation), StageContext(cpu=cpu()))
    with pytest.raises(ModelError, match=line):
        edgeprune.masks(build("keras", "functional"), allocation=allocation)


def test_a_tflite_file_has_no_model_to_measure():
    tflite = convert(loaded(build("keras", "sequential"), "keras"))
    file = Loaded(ModelFile(None, "", "tflite"), tflite=tflite)
    with pytest.raises(ModelError, match="needs a Keras model"):
        prune(file, spec("sensitivity"), StageContext(dataset(), cpu=cpu()))


def test_cost_aware_without_a_board_says_so():
    data = dataset()
    with pytest.raises(ModelError, match="no board was named: use `edgeprune compress --board"):
        edgeprune.prune(
            build("keras", "functional"), (data.x_train, data.y_train), allocation="cost_aware"
        )


def test_a_pattern_that_fixes_the_sparsity_leaves_nothing_to_choose():
    data = dataset()
    with pytest.raises(ModelError, match="the pattern 2:4 fixes the sparsity of every layer"):
        edgeprune.prune(
            build("keras", "functional"),
            (data.x_train, data.y_train),
            allocation="sensitivity",
            pattern="2:4",
        )


def test_cost_aware_for_cores_without_sparse_kernels_says_so():
    model = loaded(pointwise_net(), "keras")
    avx = Cpu("haswell", "x86_64", ("avx",))
    with pytest.raises(ModelError, match="the board's core has none"):
        prune(model, spec("cost_aware"), StageContext(samples(), cpu=avx), dense=convert(model))


def test_cost_aware_where_no_layer_s_cost_is_known_places_zeros_as_sensitivity_does():
    model = loaded(pointwise_net(), "keras")
    without_sizes, measured = (
        prune(model, spec(name, layers="all"), StageContext(samples(), cpu=cpu()))
        for name in ("cost_aware", "sensitivity")
    )
    assert [one.sparsity for one in without_sizes.shares] == [
        one.sparsity for one in measured.shares
    ]
