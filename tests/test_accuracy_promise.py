"""What --max-accuracy-drop promises, measured here on the file that was written."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from full_range import also
from keras_nets import save

from edgeprune.console.quiet import quiet
from edgeprune.devices.boards import load_board, resolved_cpu
from edgeprune.errors import VerifyError
from edgeprune.models.keras.flavours import import_keras
from edgeprune.pipeline.accuracy_limit import compress_within_limit
from edgeprune.pipeline.request import Request
from edgeprune.pipeline.written import compress_to_file
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.recipe.quantize_table import QuantizeTable

LIMIT = 0.02
RNG = np.random.default_rng(0)
X = RNG.normal(size=(700, 12)).astype(np.float32)
PROJECTION = RNG.normal(size=(12, 4))
SCORES = X @ PROJECTION
CLASSES = SCORES.argmax(1)
IMAGES = RNG.random((360, 8, 8, 1)).astype(np.float32)
MASKS = (IMAGES[..., 0] * 3).astype(int).clip(0, 2)


def softmax(z):
    raised = np.exp(z - z.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def right(answers, y):
    return float((answers.argmax(-1) == y).mean())


def f1(answers, y):
    found, wanted = answers > 0.5, y > 0.5
    return float(np.mean(2 * (found & wanted).sum(0) / (found.sum(0) + wanted.sum(0))))


def mean_iou(answers, y):
    found = answers.argmax(-1)
    both = [((found == k) & (y == k)).sum() / ((found == k) | (y == k)).sum() for k in range(3)]
    return float(np.mean(both))


def in_points(dense, now):
    return dense - now


def of_score(dense, now):
    return (dense - now) / dense


def of_error(dense, now):
    return (now - dense) / dense


@dataclasses.dataclass(frozen=True)
class Case:
    """A task: its heads as (size, activation, loss), targets to fit, to give, and to measure."""

    heads: tuple
    fit: tuple
    given: dict
    measure: tuple
    lost: tuple
    metric: str


def one(size, activation, loss, y, given, measure, lost, metric):
    return Case(((size, activation, loss),), (y,), {"": given}, ((measure, y),), (lost,), metric)


ONE_HOT = np.eye(4)[CLASSES]
BITS = (SCORES > 1).astype(int)
BOXES = (0.2 * SCORES[:, :2] + 0.05 * np.square(SCORES[:, :2])).astype(np.float32)
CE, SPARSE = "categorical_crossentropy", "sparse_categorical_crossentropy"
CASES = {
    "binary": one(
        1,
        "sigmoid",
        "binary_crossentropy",
        BITS[:, 0],
        BITS[:, :1].astype(bool),
        lambda answers, y: float(((answers[:, 0] > 0.5) == y).mean()),
        in_points,
        "top1",
    ),
    "classes as numbers": one(
        4, "softmax", SPARSE, CLASSES, CLASSES.astype(np.float32), right, in_points, "top1"
    ),
    "one-hot, probabilities": one(
        4, "softmax", SPARSE, CLASSES, ONE_HOT.astype(np.uint8), right, in_points, "top1"
    ),
    "one-hot, logits": one(4, None, "logits", CLASSES, ONE_HOT, right, in_points, "top1"),
    "multi-label": one(4, "sigmoid", "binary_crossentropy", BITS, BITS, f1, of_score, "f1_macro"),
    "segmentation": one(
        3, "softmax", SPARSE, MASKS, MASKS.astype(np.uint8), mean_iou, of_score, "mean_iou"
    ),
    "regression": one(
        2,
        None,
        "mse",
        BOXES,
        BOXES,
        lambda answers, y: float(np.square(answers - y).mean()),
        of_error,
        "mse",
    ),
    "two heads": Case(
        ((4, "softmax", SPARSE), (2, None, "mae")),
        (CLASSES, BOXES),
        {"/head0": CLASSES, "/head1": BOXES},
        ((right, CLASSES), (lambda answers, y: float(np.abs(answers - y).mean()), BOXES)),
        (in_points, of_error),
        "top1",
    ),
}
FLAVOURS = dict(zip(CASES, ["keras", "tf_keras"] * 4, strict=True))


def split(n):
    return slice(0, n * 3 // 4), slice(n * 3 // 4, n)


def trained(name, folder):
    """A model file and a data file, made once for a task."""
    model, data = folder / f"{name}.keras", folder / f"{name}.npz"
    if data.exists():
        return model, data
    case, flavour = CASES[name], FLAVOURS[name]
    keras = import_keras(flavour)
    layers = keras.layers
    keras.utils.set_random_seed(1)
    is_image = name == "segmentation"
    x = IMAGES if is_image else X
    train, test = split(len(x))
    inputs = layers.Input(x.shape[1:])
    if is_image:
        t = layers.Conv2D(24, 1, activation="relu")(inputs)
        t = layers.Conv2D(24, 1, activation="relu")(t)
        make = lambda size, activation, k: layers.Conv2D(  # noqa: E731
            size, 1, activation=activation, name=f"head{k}"
        )
    else:
        t = layers.Dense(48, activation="relu")(inputs)
        t = layers.Dense(32, activation="relu")(t)
        make = lambda size, activation, k: layers.Dense(  # noqa: E731
            size, activation=activation, name=f"head{k}"
        )
    outputs = [make(size, activation, k)(t) for k, (size, activation, _) in enumerate(case.heads)]
    net = keras.Model(inputs, outputs if len(outputs) > 1 else outputs[0])
    losses = [
        keras.losses.SparseCategoricalCrossentropy(from_logits=True) if loss == "logits" else loss
        for _, _, loss in case.heads
    ]
    with quiet():
        net.compile(keras.optimizers.Adam(1e-2), losses)
        fitted = [y[train] for y in case.fit]
        net.fit(
            x[train], fitted if len(fitted) > 1 else fitted[0], epochs=12, batch_size=64, verbose=0
        )
    save(net, model)
    arrays = {"x_train": x[train], "x_test": x[test]}
    for key, y in case.given.items():
        arrays |= {f"y_train{key}": y[train], f"y_test{key}": y[test]}
    np.savez(data, **arrays)
    return model, data


def measured(name, tflite):
    """The scores of a file, by the official interpreter and nothing of edgeprune's."""
    case = CASES[name]
    x = IMAGES if name == "segmentation" else X
    _, test = split(len(x))
    interpreter = Interpreter(model_content=tflite)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]["index"]
    answers = [[] for _ in case.heads]
    details = interpreter.get_output_details()
    for row in x[test]:
        interpreter.set_tensor(entry, row[None])
        interpreter.invoke()
        for k, detail in enumerate(details):
            answers[k].append(interpreter.get_tensor(detail["index"])[0])
    pairs = zip(case.measure, answers, strict=True)
    return [measure(np.array(rows), y[test]) for (measure, y), rows in pairs]


def lost(name, dense, now):
    case = CASES[name]
    pairs = zip(case.lost, measured(name, dense), measured(name, now), strict=True)
    return max(lose(before, after) for lose, before, after in pairs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tasks")


MILD = Recipe(
    name="mild",
    prune=PruneTable(sparsity=0.3, layers="all", epochs=3, batch_size=32, control=False),
    quantize=QuantizeTable("int8-weights"),
)
RUINOUS = dataclasses.replace(
    MILD, name="ruinous", prune=dataclasses.replace(MILD.prune, sparsity=0.97, epochs=1)
)


def asked(name, folder, recipe, output=None, limit=LIMIT):
    model, data = trained(name, folder)
    return Request(
        model=model,
        board="rpi4",
        recipe=recipe,
        data=str(data),
        output=output,
        max_accuracy_drop=limit,
    )


ALIKE = {"classes as numbers", "one-hot, probabilities", "binary", "segmentation", "regression"}
"""The suite shows what they show with logits, with several labels, and with two heads."""


@pytest.mark.parametrize("name", [also(n) if n in ALIKE else n for n in CASES])
def test_the_written_file_keeps_what_was_promised(name, folder, tmp_path):
    target = Path(tmp_path / "out.tflite")
    recipe = dataclasses.replace(MILD, prune=dataclasses.replace(MILD.prune, sparsity=0.1))
    request = asked(name, folder, recipe, target, limit=0.2)
    written = compress_to_file(request, Progress(), compare=False)
    file = target.read_bytes()
    assert file != written.done.dense
    assert lost(name, written.done.dense, file) <= 0.2 + 1e-6
    (said,) = [note for note in written.done.notes if note.startswith("task: ")]
    assert said.endswith(f"metric {CASES[name].metric}") or len(CASES[name].heads) > 1
    for key, content in (("dense", written.done.dense), ("deployed", file)):
        own = written.done.scores[key]
        assert own.metric == CASES[name].metric
        assert own.value == pytest.approx(measured(name, content)[0], rel=1e-4, abs=1e-6)


SIGNS = {"regression", "two heads", "multi-label"}
"""An error that rises, several heads, and a score that falls as a share."""


@pytest.mark.parametrize("name", [n if n in SIGNS else also(n) for n in CASES])
def test_what_loses_more_is_refused_whatever_the_labels(name, folder):
    """The sign: a worse regression must not pass for a better one."""
    cpu = resolved_cpu(load_board("rpi4").cpu)
    with pytest.raises(
        VerifyError, match=r"--max-accuracy-drop 2% cannot be kept on \d+ test"
    ) as refused:
        compress_within_limit(asked(name, folder, RUINOUS), cpu, Progress())
    assert "; what would help: a lower --sparsity" in str(refused.value)
