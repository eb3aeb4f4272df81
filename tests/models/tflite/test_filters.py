import numpy as np
import pytest
from nets import Net

from edgeprune.artifacts.model import Loaded, ModelFile
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.pruning import prune
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.context import StageContext


def small(storage="float32", stride=3):
    net = Net()
    x = net.input(1, 8, 8, 3)
    x = net.conv(x, 8, kernel=3, stride=2)
    x = net.conv(x, 12, storage=storage)
    x = net.conv(x, 12, stride=stride)
    return net.build(x)


def loaded(tflite):
    return Loaded(ModelFile("x.tflite", "", "tflite"), tflite=tflite)


def zeros_by_shape(tflite):
    model = graph.read(tflite)
    found = {}
    for tensor in model.subgraphs[0].tensors:
        values = graph.constant(model, tensor)
        if values is not None and values.ndim == 4:
            found[values.shape] = int((values == 0).sum())
    return found


def test_only_pointwise_convolutions_of_stride_1_or_2_are_pruned():
    done = prune(loaded(small()), PruneTable(sparsity=0.75), StageContext())
    assert zeros_by_shape(done.model.tflite) == {
        (8, 3, 3, 3): 0,
        (12, 1, 1, 8): 72,
        (12, 1, 1, 12): 0,
    }
    assert [(t.weights, t.zeros) for t in done.tensors] == [(96, 72)]
    assert done.profiling_only
    strided = prune(loaded(small(stride=2)), PruneTable(sparsity=0.75), StageContext())
    assert zeros_by_shape(strided.model.tflite)[12, 1, 1, 12] == 108


def test_all_takes_every_convolution():
    done = prune(loaded(small()), PruneTable(sparsity=0.5, layers="all"), StageContext())
    assert zeros_by_shape(done.model.tflite) == {
        (8, 3, 3, 3): 108,
        (12, 1, 1, 8): 48,
        (12, 1, 1, 12): 72,
    }


def test_kept_weights_are_the_same():
    before = small()
    done = prune(loaded(before), PruneTable(sparsity=0.5), StageContext())
    (name, mask), *_ = done.masks.items()

    def values(tflite):
        model = graph.read(tflite)
        tensors = {graph.tensor_name(t): t for t in model.subgraphs[0].tensors}
        return graph.constant(model, tensors[name])

    assert np.array_equal(values(done.model.tflite), values(before) * mask)


def test_quantized_weights_are_refused_and_zero_sparsity_is_named():
    with pytest.raises(ModelError, match=r"already quantized or sparse.*--sparsity 0"):
        prune(loaded(small("int8")), PruneTable(sparsity=0.5), StageContext())
    assert prune(loaded(small("int8")), PruneTable(sparsity=0.0), StageContext()).tensors == ()
