"""`auto` on a microcontroller trains sparser while it fits and keeps its accuracy."""

import dataclasses
import io

import numpy as np
import pytest
from keras_nets import save
from rich.console import Console

from edgeprune.console.quiet import quiet
from edgeprune.devices.boards import load_board
from edgeprune.errors import VerifyError
from edgeprune.firmware.planned import planned_on
from edgeprune.models.keras.flavours import import_keras
from edgeprune.pipeline.accuracy_limit import compress_within_limit
from edgeprune.pipeline.request import Request
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe

BOARD = load_board("mps2-an386")
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def request_for(tmp_path_factory):
    """What asks for a network whose answer hangs on 8 of 64 inputs, so that most weights can go."""
    folder = tmp_path_factory.mktemp("grown")
    x = RNG.normal(size=(600, 64)).astype(np.float32)
    y = (x[:, :8] @ RNG.normal(size=(8, 3))).argmax(1)
    np.savez(folder / "data.npz", x_train=x[:400], y_train=y[:400], x_test=x[400:], y_test=y[400:])
    keras = import_keras("keras")
    keras.utils.set_random_seed(1)
    layers = keras.layers
    inputs = layers.Input((64,))
    hidden = layers.Dense(64, activation="relu")(inputs)
    net = keras.Model(inputs, layers.Dense(3, activation="softmax")(hidden))
    with quiet():
        net.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
        net.fit(x[:400], y[:400], epochs=15, verbose=0)
    save(net, folder / "net.keras")
    return Request(folder / "net.keras", BOARD.name, Recipe(), data=str(folder / "data.npz"))


def compressed(request, **changes):
    """What was made of it, and what was told meanwhile."""
    log = io.StringIO()
    with Progress(Console(file=log, width=1000), brief=True) as progress:
        request = dataclasses.replace(request, **changes)
        done = compress_within_limit(request, BOARD.cpu, progress)
    return done, log.getvalue()


def lost(done):
    return done.scores["float32"].value - done.scores["deployed"].value


def test_the_sparsest_that_keeps_a_point_is_chosen_and_the_reason_is_told(request_for):
    done, log = compressed(request_for)
    assert done.recipe.prune.sparsity >= 0.5 and done.pruned.fine_tuned
    assert lost(done) <= 0.01
    dense, deployed = (
        planned_on(tflite, BOARD) for tflite in (done.dense_int8, done.sparsified.tflite)
    )
    assert deployed.instructions < 0.9 * dense.instructions
    assert deployed.flash_bytes < dense.flash_bytes
    assert "limit: at most 1 point of top1 below dense's" in log
    assert "(--max-accuracy-drop sets another)" in log
    assert "tried: 75% sparse, " in log and "of flash: loses " in log
    assert f"chosen: {done.recipe.prune.sparsity:.0%} sparse: " in log
    assert "the sparsest tried that loses at most 1.00 points" in done.recipe.why


def test_what_does_not_fit_is_not_trained_and_the_rest_is_told(request_for):
    done, log = compressed(request_for, max_size=2000, max_accuracy_drop=0.5)
    assert len(planned_on(done.sparsified.tflite, BOARD).plan.data) <= 2000
    assert "dense in int8: its plan takes " in log and "it fits from " in log
    assert done.fits_dense and done.recipe.prune.sparsity >= 0.7


def test_where_nothing_fits_it_is_refused_before_anything_is_trained(request_for):
    with pytest.raises(VerifyError, match=r"even at 95% sparsity its plan takes .* allows 500"):
        compressed(request_for, max_size=500)


def test_a_limit_that_nothing_that_fits_can_keep_is_refused_with_what_was_tried(request_for):
    data = dict(np.load(request_for.data))
    rng = np.random.default_rng(3)
    data["y_train"] = rng.permutation(data["y_train"])  # whose training teaches nothing
    file = f"{request_for.data}.odd.npz"
    np.savez(file, **data)
    with pytest.raises(VerifyError, match=r"cannot be kept by what fits: .* sparse, .* loses "):
        compressed(request_for, data=file, max_size=1900, max_accuracy_drop=0.01)
