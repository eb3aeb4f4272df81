"""Models and patterns that tensorflow-model-optimization (tfmot) rejects, pruned by edgeprune.

For each case: what tfmot 0.8 answers, and how many of the wanted zeros edgeprune's masks hold after
two steps of Keras's own ``fit``, in both Kerases. Every family of ``keras.applications`` is offered
to tfmot; those that it takes have no row of their own, and are listed at the end. "kept" counts
zeros over all pruned kernels.

Rows that are done are kept in FOLDER/rejected.jsonl, and not run again.

    python benchmarks/rejected_by_tfmot.py FOLDER [CASE ...]
"""

import argparse
import gc
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # tfmot needs it

import numpy as np
from channels_of_applications import SIZES

import edgeprune
from edgeprune.artifacts.compression import Flavour
from edgeprune.console.quiet import quiet
from edgeprune.errors import EdgepruneError
from edgeprune.models.keras.flavours import import_keras, import_tensorflow
from edgeprune.models.keras.weights import Weight, prunable_weights
from edgeprune.text.untrusted import error_line

FLAVOURS: tuple[Flavour, ...] = ("tf_keras", "keras")
BATCH = 4
SPARSITY = 0.8


@dataclass
class Row:
    """What came of one case.

    Attributes:
        case: Its name.
        pattern: Of the zeros.
        tfmot: What tfmot answered, or how few zeros it left; empty where it did its job.
        ours: Flavour to the share of zeros after training, or what went wrong.
    """

    case: str
    pattern: str
    tfmot: str
    ours: dict[str, str]


def _convolutions_1d(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((32, 8)),
            layers.Conv1D(16, 3, activation="relu"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(10),
        ]
    )


def _small(keras: Any, dtype: str | None = None) -> Any:
    layers = keras.layers
    inputs = layers.Input((16, 16, 4))  # 1x4 fits no three channels
    x = layers.Conv2D(16, 3, activation="relu", dtype=dtype)(inputs)
    x = layers.GlobalAveragePooling2D(dtype=dtype)(layers.Conv2D(32, 1, dtype=dtype)(x))
    return keras.Model(inputs, layers.Dense(10, dtype="float32")(x))


def _nested(keras: Any) -> Any:
    layers = keras.layers
    inputs, inner = layers.Input((16, 16, 3)), layers.Input((14, 14, 16))
    block = keras.Model(inner, layers.Conv2D(32, 1)(inner))
    x = layers.GlobalAveragePooling2D()(block(layers.Conv2D(16, 3)(inputs)))
    return keras.Model(inputs, layers.Dense(10)(x))


def _subclassed(keras: Any) -> Any:
    class Small(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.stem = keras.layers.Conv2D(16, 3)
            self.head = keras.layers.Dense(10)

        def call(self, x: Any) -> Any:
            return self.head(keras.layers.GlobalAveragePooling2D()(self.stem(x)))

    model = Small()
    model(np.zeros((1, 16, 16, 3), np.float32))
    model.input_size = (16, 16, 3)
    return model


def _application(name: str) -> Callable[[Any], Any]:
    size = SIZES[name]

    def make(keras: Any) -> Any:
        shape = (size, size, 3)
        return getattr(keras.applications, name)(weights=None, input_shape=shape, classes=10)

    return make


CASES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "2:4 on Conv1D": (_convolutions_1d, "2:4"),
    "1x4 on convolutions": (_small, "1x4"),
    "nested model": (_nested, "unstructured"),
    "subclassed model": (_subclassed, "unstructured"),
    "mixed precision": (lambda keras: _small(keras, "mixed_float16"), "unstructured"),
    **{name: (_application(name), "unstructured") for name in SIZES},
}


def trained(keras: Any, model: Any, callbacks: list[Any]) -> None:
    """Two steps of ``fit``."""
    shape = getattr(model, "input_size", None) or tuple(model.inputs[0].shape)[1:]
    x = np.random.default_rng(0).random((2 * BATCH, *shape)).astype(np.float32)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    model.fit(x, np.arange(2 * BATCH), BATCH, callbacks=callbacks, verbose=0)


def theirs(make: Callable[[Any], Any], pattern: str) -> str:
    """What tfmot says to the model, in one line; empty where it prunes and trains it.

    Zeros are counted after its ``strip_pruning``, over the kernels that edgeprune prunes.
    """
    from tensorflow_model_optimization.sparsity import keras as tfmot

    keras = import_keras("tf_keras")
    options: dict[str, Any] = {"pruning_schedule": tfmot.ConstantSparsity(SPARSITY, 0, frequency=1)}
    if pattern == "2:4":
        options["sparsity_m_by_n"] = (2, 4)
    elif pattern == "1x4":
        options["block_size"] = (1, 4)
    try:
        with quiet():
            pruned = tfmot.prune_low_magnitude(make(keras), **options)
            trained(keras, pruned, [tfmot.UpdatePruningStep()])
            left = prunable_weights(tfmot.strip_pruning(pruned), "all")
    except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
        causes = [line for line in str(error).splitlines() if "Error: " in line]  # innermost last
        text = error_line(ValueError(causes[-1]) if causes else error, 10_000)
        return (
            text if len(text) <= 170 else f"{text[:60]} ... {text[-100:]}"
        )  # it ends in the layer
    reached = zeros(left)
    is_met = reached >= 0.98 * wanted(pattern)
    return "" if is_met else f"no error, and {reached:.1%} zeros in {len(left)} kernels"


def wanted(pattern: str) -> float:
    """The share of zeros that the pattern is to have."""
    return 0.5 if pattern == "2:4" else SPARSITY


def zeros(weights: list[Weight]) -> float:
    """The share of zeros over all of them."""
    total = sum(one.value().size for one in weights)
    return sum(int((one.value() == 0).sum()) for one in weights) / total


def ours(flavour: Flavour, make: Callable[[Any], Any], pattern: str) -> str:
    """The share of zeros that edgeprune's masks hold after training."""
    keras = import_keras(flavour)
    try:
        with quiet():
            model = make(keras)
            masks = edgeprune.masks(model, sparsity=SPARSITY, pattern=pattern, layers="all")
            with masks:
                masks.update()
                trained(keras, model, [])
    except EdgepruneError as error:
        return f"FAILS: {error}"
    verdict = "kept" if zeros(masks.weights) >= 0.98 * wanted(pattern) else "FAILS"
    return f"{verdict} {zeros(masks.weights):.1%} in {len(masks.weights)} kernels"


def measured(case: str) -> Row:
    """The table's row for one case."""
    make, pattern = CASES[case]
    answer = theirs(make, pattern)
    found: dict[str, str] = {}
    for flavour in FLAVOURS if answer else ():
        if case in SIZES and not hasattr(import_keras(flavour).applications, case):
            found[flavour] = "not in this Keras"
            continue
        found[flavour] = ours(flavour, make, pattern)
        import_keras(flavour).backend.clear_session()
        gc.collect()
    return Row(case, pattern, answer, found)


def main() -> int:
    """Runs what is not done yet and prints the table; returns 1 if edgeprune fails somewhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    file = asked.folder / "rejected.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    rows = {row.case: row for row in (Row(**json.loads(line)) for line in lines)}
    import_tensorflow()
    for case in asked.cases or CASES:
        if case in rows:
            continue
        rows[case] = measured(case)
        with file.open("a", encoding="utf-8") as kept:
            kept.write(json.dumps(asdict(rows[case])) + "\n")
        print(rows[case], file=sys.stderr, flush=True)
    print(
        "| case | pattern | tfmot | edgeprune, Keras 2 | edgeprune, Keras 3 |\n"
        + "| --- " * 5
        + "|"
    )
    for row in rows.values():
        if row.tfmot:
            mine = " | ".join(row.ours[flavour] for flavour in FLAVOURS)
            print(f"| {row.case} | {row.pattern} | {row.tfmot.replace('|', '/')} | {mine} |")
    print("tfmot takes:", ", ".join(row.case for row in rows.values() if not row.tfmot))
    return int(any("FAILS" in one for row in rows.values() for one in row.ours.values()))


if __name__ == "__main__":
    sys.exit(main())
