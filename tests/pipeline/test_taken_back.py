"""What a search chose and the device runs slower than the dense network does not stay."""

import dataclasses
import hashlib
import json
import os
import shutil
import signal
import tomllib

import numpy as np
import pytest
import searched_net
import tomli_w
from agent_processes import kill_agents
from keras_nets import save

from edgeprune.agents.conversation import Conversation
from edgeprune.artifacts.measurement import DeviceFacts, Measured, RunResult
from edgeprune.console import interrupts
from edgeprune.console.quiet import quiet
from edgeprune.errors import DeviceError, VerifyError
from edgeprune.history import runs
from edgeprune.history.result_file import read_result
from edgeprune.models.keras.flavours import import_keras
from edgeprune.pipeline import deploy
from edgeprune.pipeline.compressed import Compressed
from edgeprune.pipeline.decision import STAYS, kind_of
from edgeprune.pipeline.on_device import OnDevice
from edgeprune.pipeline.request import Request
from edgeprune.pipeline.taken_back import not_slower
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
SLOWER = "int8; measured on board-1 it is 1.30x slower than the dense network"


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


@dataclasses.dataclass
class Bench:
    """Makes and measures networks; ``refuses``: those that lose too much, ``fails``: at a device.

    Outputs of others are ``wrong`` there. ``asked`` has what was to be made each time, and
    ``folder`` what lay in the folder, in order.
    """

    refuses: tuple[str, ...] = ()
    fails: BaseException | RunResult | None = None
    wrong: str = ""
    asked: list[list[str]] = dataclasses.field(default_factory=list)
    folder: list[OnDevice] = dataclasses.field(default_factory=list)

    def instead(self, instead):
        self.asked.append([one.why for one in instead.recipes])
        for k, recipe in enumerate(instead.recipes, 1):
            if recipe.why not in self.refuses:
                made = compressed(recipe, *instead.recipes[k:])
                if isinstance(self.fails, BaseException):
                    raise self.fails
                found = OnDevice(made, [], self.fails, "") if self.fails else measured(made)
                return dataclasses.replace(found, wrong=self.wrong)
        raise VerifyError("no other network of the search keeps the limit")

    def keep(self, found):
        self.folder.append(found)

    def placed(self, found):
        self.folder.append(found)
        return found


def taken(first, *others, **bench):
    """What stays, and what was made for that."""
    bench = Bench(**bench)
    return not_slower(measured(compressed(first, *others)), bench, Progress()), bench.asked


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
    assert not found.run.broken
    assert found.compressed.notes == (
        f"{SLOWER}, and stays: no other network of the search keeps the limit",
    )


def test_what_was_measured_stays_where_the_outputs_of_another_are_wrong_on_the_device():
    wrong = "deployed: outputs on board-1 differ from the reference by 0.5"
    found, asked = taken(INT8, SMALL, DENSE, wrong=f"{wrong}; nothing was written")
    assert found.compressed.recipe is INT8 and not found.wrong and not found.run.broken
    assert found.compressed.notes == (
        f"{SLOWER}, and stays: the next network is wrong there, {wrong}",
    )
    assert len(asked) == 1


def ended(cause):
    return dataclasses.replace(
        measured(compressed(SMALL)).run, cause=cause, left="1 whole session is kept"
    )


@pytest.mark.parametrize(
    ("fails", "is_interrupted"),
    [
        (DeviceError("the cable was pulled"), False),
        (ended("the cable was pulled"), False),
        (KeyboardInterrupt("while timing `deployed`"), True),
    ],
)
def test_what_was_measured_stays_where_the_device_fails_before_another_is(fails, is_interrupted):
    bench = Bench(fails=fails)
    first = measured(compressed(INT8, SMALL, DENSE))
    found = not_slower(first, bench, Progress())
    cause = "interrupted while timing `deployed`" if is_interrupted else "the cable was pulled"
    assert found.compressed.recipe is INT8 and found.run.measured == first.run.measured
    assert found.compressed.notes == (f"{SLOWER}, and stays: {cause}",)
    assert found.run.broken == (
        f"{cause}; what was chosen first stays: {SLOWER}; run the command again to measure another"
    )
    assert found.run.is_interrupted == is_interrupted
    assert found.run.reasons == ()  # its own figures lack nothing
    (left,) = bench.folder
    assert left.compressed.recipe is INT8 and "and stays: killed while" in left.compressed.notes[-1]


def test_an_interrupt_is_heard_while_another_is_made(handlers, monkeypatch):
    bench = Bench()
    monkeypatch.setattr(bench, "instead", lambda _: os.kill(os.getpid(), signal.SIGINT))
    interrupts.install()
    interrupts.hold()  # as a run does that measured something
    found = not_slower(measured(compressed(INT8, SMALL, DENSE)), bench, Progress())
    assert found.compressed.recipe is INT8 and found.run.cause == "interrupted"
    with interrupts.uninterrupted():  # nothing is left of it
        pass


def test_the_folder_holds_what_was_measured_last_while_another_is_made():
    bench = Bench()
    not_slower(measured(compressed(INT8, SPARSE, DENSE)), bench, Progress())
    assert [one.compressed.recipe for one in bench.folder] == [INT8, SPARSE, SPARSE, DENSE]


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


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A request, and a home where its search chose what is slower on the board."""
    folder = tmp_path_factory.mktemp("searched")
    model, data = written(folder)
    request = Request(model, "rpi4-emulated", Recipe(), str(data), folder / "first")
    request = dataclasses.replace(request, budget_s=searched_net.NO_TRAINING_S)
    with pytest.MonkeyPatch.context() as patched, Progress() as progress:
        patched.setenv("EDGEPRUNE_HOME", str(folder / "home"))
        deploy(request, progress)
        (said,) = store_folder().glob("*/said.json")
    recipe = tomllib.loads((said.parent / "recipe.toml").read_text())
    recipe["quantize"] = recipe.get("quantize", {}) | {"mode": "int8"}
    (said.parent / "recipe.toml").write_text(tomli_w.dumps(recipe))
    said.write_text(json.dumps({"why": "int8, because", "lines": []}))
    return request, folder / "home"


@pytest.fixture
def searched(kept, home):
    """Its request, in a home of this test."""
    request, made = kept
    shutil.copytree(made, os.environ["EDGEPRUNE_HOME"])
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


def test_a_device_that_fails_at_another_network_leaves_the_first_as_measured(
    searched, tmp_path, monkeypatch
):
    note, ask, out, kept = Progress.note, Conversation.ask, tmp_path / "second", []

    def noted(self, line):
        note(self, line)
        if line.startswith("taken back"):
            monkeypatch.setattr(Conversation, "ask", failing)

    def failing(self, name, *rest):
        kept.append(read_result(out))  # what a kill would leave
        kill_agents()
        return ask(self, name, *rest)

    monkeypatch.setattr(Progress, "note", noted)
    with pytest.raises(DeviceError, match="SIGKILL") as failed, Progress() as progress:
        deploy(dataclasses.replace(searched, output=out), progress)
    assert failed.value.exit_code == 3
    said = str(failed.value)
    assert "; what was chosen first stays: int8, because; measured on" in said
    assert said.endswith(
        "x slower than the dense network; run the command again to measure another; what was "
        f"measured before is in {out}"
    )
    result = read_result(out)
    assert runs()[0].result == result and result.comparison.verdict == "slower"
    assert result.validity.verdict == "valid" and "SIGKILL" in result.notes[-1]
    assert "killed while another network was made" in kept[0].notes[-1]
    for variant, before in zip(result.variants, kept[0].variants, strict=True):
        assert variant == before and variant.name in ("dense", "deployed")
        digest = hashlib.sha256((out / f"{variant.name}.tflite").read_bytes()).hexdigest()
        assert digest == variant.sha256
    assert not [one for one in out.iterdir() if one.name.startswith(".")]
