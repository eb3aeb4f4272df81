import numpy as np
import pytest
from keras_nets import FLAVOURS

from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import import_keras
from edgeprune.training import layer_rows
from edgeprune.training.layer_rows import Unrolled

LAYERS = {
    "dense": (lambda k: k.Dense(5), (7,)),
    "dense on any rank": (lambda k: k.Dense(5), (3, 2, 7)),
    "einsum": (lambda k: k.EinsumDense("abc,cd->abd", (None, 5)), (3, 7)),
    "einsum over two axes": (lambda k: k.EinsumDense("abcd,dce->abe", (None, 5)), (3, 4, 2)),
    "einsum with dots": (lambda k: k.EinsumDense("...x,xy->...y", 5), (3, 7)),
    "conv1d": (lambda k: k.Conv1D(5, 3, 2, "same"), (9, 4)),
    "causal": (lambda k: k.Conv1D(5, 3, padding="causal", dilation_rate=2), (9, 4)),
    "conv2d valid": (lambda k: k.Conv2D(5, (3, 2)), (6, 7, 4)),
    "conv2d same": (lambda k: k.Conv2D(5, (3, 2), padding="same"), (6, 7, 4)),
    "conv2d strided on even": (lambda k: k.Conv2D(5, 3, 2, "same"), (6, 8, 4)),
    "conv2d strided on odd": (lambda k: k.Conv2D(5, 3, 2, "same"), (7, 9, 4)),
    "conv2d stride beyond kernel": (lambda k: k.Conv2D(5, 1, 2, "same"), (6, 6, 4)),
    "conv2d dilated": (lambda k: k.Conv2D(5, 3, padding="same", dilation_rate=2), (8, 7, 4)),
    "grouped": (lambda k: k.Conv2D(6, 3, groups=2), (6, 6, 4)),
    "conv3d": (lambda k: k.Conv3D(5, (2, 3, 1), (1, 2, 1), "same"), (4, 5, 3, 2)),
    "separable": (lambda k: k.SeparableConv2D(5, 3, 2, "same", depth_multiplier=2), (6, 7, 4)),
    "separable 1d": (lambda k: k.SeparableConv1D(5, 3), (9, 4)),
}


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("kind", LAYERS)
def test_rows_times_the_weight_matrix_are_the_layers_output(flavour, kind):
    make, shape = LAYERS[kind]
    layer = make(import_keras(flavour).layers)
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    wanted = np.asarray(layer(x))
    unrolled = Unrolled(layer)
    kernel = getattr(layer, "pointwise_kernel", None)
    kernel = np.asarray((layer.kernel if kernel is None else kernel).numpy())
    matrix = kernel.reshape(-1, kernel.shape[-1]).T
    parts = np.split(matrix, unrolled.groups)
    found = [
        np.concatenate([rows @ part.T for rows, part in zip(block, parts, strict=True)], axis=-1)
        for block in unrolled.rows(x)
    ]
    np.testing.assert_allclose(
        np.concatenate(found).reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-5
    )


def test_blocks_of_rows_are_bounded_and_nothing_is_lost(monkeypatch):
    layer = import_keras("tf_keras").layers.Conv2D(5, 3)
    x = np.random.default_rng(0).normal(size=(6, 5, 5, 2)).astype(np.float32)
    layer(x)
    whole = np.concatenate(list(Unrolled(layer).rows(x)), axis=1)
    monkeypatch.setattr(layer_rows, "MOST_ELEMENTS", 1000)
    parts = list(Unrolled(layer).rows(x))
    assert len(parts) > 1 and all(part.size <= 1000 for part in parts)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_of_large_maps_every_odd_kth_row_is_taken():
    layer = import_keras("tf_keras").layers.Conv2D(5, 1)
    x = np.random.default_rng(0).normal(size=(2, 64, 64, 2)).astype(np.float32)
    layer(x)
    all_rows = np.concatenate(list(Unrolled(layer).rows(x)), axis=1)
    some = np.concatenate(list(Unrolled(layer).rows(x, samples=2)), axis=1)
    assert all_rows.shape[1] == 2 * 64 * 64
    np.testing.assert_array_equal(some, all_rows[:, ::15])
    assert some.shape[1] >= layer_rows.ROWS_PER_FEATURE * 2


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda k: k.Conv2DTranspose(4, 3), "convolutions that are not transposed"),
        (lambda k: k.EinsumDense("abc,cde->abde", (None, 2, 3)), "one output axis"),
    ],
)
def test_layers_that_are_no_such_product_are_refused(flavour, make, line):
    layer = make(import_keras(flavour).layers)
    layer(np.ones((1, 4, 4, 3) if "Transpose" in type(layer).__name__ else (1, 4, 3), np.float32))
    with pytest.raises(ModelError, match=line):
        Unrolled(layer)
