"""What a search chose and the device runs slower than the dense network does not stay."""

import dataclasses
import json
import tomllib

import numpy as np
import pytest
import tomli_w
from keras_nets import save

from edgeprune.artifacts.measurement import DeviceFacts, Measured, RunResult
from edgeprune.console.quiet import quiet
from edgeprune.errors import VerifyError
from edgeprune.models.keras.flavours import import_keras
from edgeprune.pipeline import deploy
from edgeprune.pipeline.compressed import Compressed
from edgeprune.pipeline.decision import STAYS, kind_of
from edgeprune.pipeline.request import Request
from edgeprune.pipeline.taken_back import OnDevice, not_slower
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.recipe.quantize_table import QuantizeTable
from edgeprune.recipe.steps import Step
from edgeprune.training.store import store_folder

INT8 = Recipe(why="int8", quantize=QuantizeTable("int8"))
SMALL_INT8 = Recipe(why="smaller, int8", quantize=QuantizeTable("int8"))
SPARSE = Recipe(why="sparse", steps=(Step(prune=PruneTable()),))
SMALL = Recipe(why="smaller")
DENSE = Recipe(why=STAYS)
COUNTS = {"int8": 130, "smaller, int8": 110, "sparse": 105, "smaller": 60, STAYS: None}
FACTS = DeviceFacts("board-1", "", "", "", "")


def compressed(recipe, *others):
    """A network of a search; of its files nobody asks here."""
    record = dict.fromkeys(Compressed.__dataclass_fields__)
    return Compressed(**(record | {"recipe": recipe, "others": others, "told": (), "notes": ()}))


def measured(made):
    """Instructions by why the recipe was chosen, beside a dense network of 100."""
    count = COUNTS[made.recipe.why]
    counts = {"dense": 100, "deployed": count} if count else {"deployed": 100}
    rows = tuple(Measured(name, (), one, "counted", (), None, None) for name, one in counts.items())
    return OnDevice(made, [], RunResult(FACTS, True, rows), "")


def taken(first, *others, refuses=()):
    """What stays, and what was made for that."""
    asked = []

    def made(instead):
        asked.append([one.why for one in instead.recipes])
        for k, recipe in enumerate(instead.recipes, 1):
            if recipe.why not in refuses:
                return compressed(recipe, *instead.recipes[k:])
        raise VerifyError("no other network of the search keeps the limit")

    return not_slower(measured(compressed(first, *others)), made, measured, Progress()), asked


def test_what_is_faster_stays_and_nothing_else_is_made():
    found, asked = taken(SMALL, INT8, DENSE)
    assert found.compressed.recipe is SMALL and not asked


def test_the_next_best_of_another_kind_is_taken():
    found, asked = taken(INT8, SMALL_INT8, SMALL, DENSE)
    assert found.compressed.recipe is SMALL
    assert asked == [["smaller", STAYS]]


def test_the_dense_network_stays_where_everything_else_is_slower():
    found, asked = taken(INT8, SMALL_INT8, SPARSE, DENSE)
    assert found.compressed.recipe is DENSE
    assert asked == [["sparse", STAYS], [STAYS]]


def test_what_was_slower_stays_where_nothing_else_keeps_the_limit_and_says_so():
    found, _ = taken(INT8, SMALL, DENSE, refuses=("smaller", STAYS))
    assert found.compressed.recipe is INT8
    assert found.compressed.notes == (
        "taken back: int8; measured on board-1 it is 1.30x slower than the dense network",
        "it stays: no other network of the search keeps the limit",
    )


def test_where_the_user_fixed_int8_what_saves_less_is_not_measured_as_well():
    found, asked = taken(INT8, SMALL_INT8)
    assert found.compressed.recipe is INT8 and not asked


def test_kinds_tell_kernels():
    assert [kind_of(one) for one in (INT8, SPARSE, SMALL)] == [
        (True, False),
        (False, True),
        (False, False),
    ]


def written(folder):
    """A network of depthwise layers, which integers make slower on a Cortex-A72; and its data."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 8, 8, 4)).astype(np.float32) + rng.normal(size=(800, 1, 1, 4))
    y = x.mean((1, 2))[:, :3].argmax(1)
    data = folder / "data.npz"
    np.savez(data, x_train=x[:400], y_train=y[:400], x_test=x[400:], y_test=y[400:])
    keras = import_keras("keras")
    keras.utils.set_random_seed(0)
    layers = keras.layers
    inputs = z = layers.Input((8, 8, 4))
    for _ in range(3):
        z = layers.ReLU()(layers.DepthwiseConv2D(3, padding="same")(z))
    pooled = layers.GlobalAveragePooling2D()(z)
    net = keras.Model(inputs, layers.Dense(3, activation="softmax")(pooled))
    with quiet():
        net.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
        net.fit(x[:400], y[:400], epochs=10, verbose=0)
    return save(net, folder / "net.keras"), data


@pytest.fixture
def searched(home, tmp_path):
    """A request whose search is kept, with a choice that is slower on the board."""
    model, data = written(tmp_path)
    request = Request(model, "rpi4-emulated", Recipe(), str(data), tmp_path / "first", budget_s=1.0)
    with Progress() as progress:
        deploy(request, progress)
    (said,) = store_folder().glob("*/said.json")
    recipe = tomllib.loads((said.parent / "recipe.toml").read_text())
    recipe["quantize"] = recipe.get("quantize", {}) | {"mode": "int8"}
    (said.parent / "recipe.toml").write_text(tomli_w.dumps(recipe))
    said.write_text(json.dumps({"why": "int8, because", "lines": []}))
    return request


def test_deploy_delivers_the_dense_network_in_place_of_a_slower_one(searched, tmp_path):
    with Progress() as progress:
        outcome = deploy(dataclasses.replace(searched, output=tmp_path / "second"), progress)
    assert [one.name for one in outcome.result.variants] == ["deployed"]
    assert not (tmp_path / "second" / "dense.tflite").exists()
    (line,) = [note for note in outcome.notes if note.startswith("taken back")]
    assert "int8, because; measured on" in line and "slower than the dense network" in line
    # The same command does not begin with the slower one again.
    with Progress() as progress:
        again = deploy(dataclasses.replace(searched, output=tmp_path / "third"), progress)
    assert again.result.deployed.sha256 == outcome.result.deployed.sha256
    assert line in again.notes
