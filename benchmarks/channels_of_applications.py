"""Half the channels of every group removed, in each family of ``keras.applications``.

For each architecture, in both Kerases, with seeded random weights and without the last softmax: the
share of all channels and of the multiply-accumulates; the largest difference between the pruned
model and the dense one whose weights for the removed channels are zero, relative to the largest
output; the same after saving (``.keras`` and ``.h5``) and loading by edgeprune, where that loads
the unpruned model; and after conversion, run by LiteRT on this host; and what had to stay, by
reason. "moved" is how far pruning itself moved the outputs: a check that could not fail would show
0 there. A way in which the unpruned model fails too is marked "as stock", and does not count.

Rows that are done are kept in FOLDER/channels.jsonl, and not run again.

    python benchmarks/channels_of_applications.py FOLDER [FLAVOUR [ARCHITECTURE ...]]
"""

import argparse
import gc
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from stock_models import seeded

from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.model import Flavour, Loaded, ModelFile
from edgeprune.channels import ChannelRemoval, masked_dense, prune_channels
from edgeprune.console.quiet import quiet
from edgeprune.convert import convert
from edgeprune.errors import EdgepruneError
from edgeprune.load import load
from edgeprune.models.keras.flavours import import_keras
from edgeprune.text.untrusted import reason_of
from edgeprune.verify.host import HostModel

SIZES = {
    "VGG16": 32,
    "VGG19": 32,
    "ResNet50": 64,
    "ResNet50V2": 64,
    "Xception": 71,
    "InceptionV3": 75,
    "InceptionResNetV2": 75,
    "MobileNet": 64,
    "MobileNetV2": 64,
    "MobileNetV3Small": 64,
    "MobileNetV3Large": 64,
    "DenseNet121": 64,
    "NASNetMobile": 64,
    "EfficientNetB0": 64,
    "EfficientNetV2B0": 64,
    "ConvNeXtTiny": 64,
    "RegNetX002": 64,
    "RegNetY002": 64,
    "ResNetRS50": 64,
}
"""One architecture of each family that ``keras.applications`` has, and an input size."""

LIMIT = 1e-4
"""Largest difference, relative to the largest output."""


WAYS = ("masked", ".keras", ".h5", "litert")
FLAVOURS: tuple[Flavour, ...] = ("keras", "tf_keras")


@dataclass
class Row:
    """One architecture in one Keras.

    Attributes:
        channels_removed: Share of all output channels.
        macs_left: Share of the multiply-accumulates.
        differences: Way to relative difference.
        failed: Way to what is wrong.
        as_stock: Way to what is wrong with the unpruned model as well.
        moved: How far pruning moved the outputs, relative.
        stays: Reason to how many layers keep channels for it.
        prune_s: Time that pruning took.
    """

    flavour: str
    name: str
    channels_removed: float = 0.0
    macs_left: float = 1.0
    differences: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    as_stock: dict[str, str] = field(default_factory=dict)
    moved: float = 0.0
    stays: dict[str, int] = field(default_factory=dict)
    prune_s: float = 0.0


def outputs(model: Any, x: Array) -> Array:
    """One row a sample."""
    return np.asarray(model(x, training=False))


def difference(ours: Array, theirs: Array) -> float:
    """Relative to the largest value of ``theirs``."""
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def saved(model: Any, name: str, ending: str) -> Any:
    """The model after saving and loading."""
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / f"{name}{ending}"
        model.save(path)
        return load(path).keras


def measure(row: Row, dense: Any, pruned: Any, x: Array, wanted: Array) -> None:
    """Compares what came of the pruned model, in every way, with ``wanted``."""

    def converted() -> Array:
        source = ModelFile(Path(row.name), "", "memory")
        host = HostModel(convert(Loaded(source, pruned, row.flavour)), reference=False)  # type: ignore[arg-type]
        return np.concatenate([host([one[None]])[0] for one in x])

    ways: dict[str, Callable[[], Array]] = {
        "masked": lambda: outputs(pruned, x),
        ".keras": lambda: outputs(saved(pruned, row.name, ".keras"), x),
        ".h5": lambda: outputs(saved(pruned, row.name, ".h5"), x),
        "litert": converted,
    }
    for way in WAYS:
        try:
            value = difference(ways[way](), wanted)
        except (EdgepruneError, ValueError, TypeError) as error:
            is_stock = way[0] == "." and not loads(dense, row.name, way)
            # The folder that it was saved in says nothing.
            line = re.sub(r"^/\S*/", "", reason_of(error, 200))
            (row.as_stock if is_stock else row.failed)[way] = line
            continue
        row.differences[way] = value
        if not value <= LIMIT:
            row.failed[way] = f"differs by {value:.1e}"


def loads(model: Any, name: str, ending: str) -> bool:
    """Whether the model can be saved and loaded as it is."""
    try:
        saved(model, name, ending)
    except (EdgepruneError, ValueError, TypeError):
        return False
    return True


def measured(flavour: Flavour, name: str) -> Row:
    """The table's row for one architecture."""
    keras, size, row = import_keras(flavour), SIZES[name], Row(flavour, name)
    with quiet():
        model = seeded(
            getattr(keras.applications, name)(
                weights=None, input_shape=(size, size, 3), classifier_activation=None
            )
        )
    _wake(model)
    rng = np.random.default_rng(0)
    x = (rng.random((3, size, size, 3)) * rng.random((3, 1, 1, 1))).astype(np.float32)
    started = time.perf_counter()
    try:
        pruned = prune_channels(model, pruning_ratio=0.5)
    except EdgepruneError as error:
        row.failed["refused"] = str(error)
        return row
    row.prune_s = time.perf_counter() - started
    wanted = outputs(masked_dense(model, pruned), x)
    measure(row, model, pruned.model, x, wanted)
    row.channels_removed = 1 - pruned.channels_after / pruned.channels_before
    row.macs_left = (pruned.macs_after or 0) / (pruned.macs_before or 1)
    row.moved = difference(outputs(model, x), wanted)
    row.stays = dict(reasons(pruned))
    return row


def _wake(model: Any) -> None:
    """What weights that were drawn anew leave asleep, in EfficientNet and ConvNeXt."""
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if type(layer).__name__ == "Normalization":  # goes on with the old weights otherwise
            layer.finalize_state()
        if type(layer).__name__ == "LayerScale":  # begins at 1e-6, which hides its whole block
            layer.gamma.assign(rng.uniform(0.8, 1.2, layer.gamma.shape))


def reasons(pruned: ChannelRemoval) -> Counter[str]:
    """Why layers keep channels, without the layers' names."""
    return Counter(
        re.sub(r"'[^']*/?[^']*' \(", "(", note.partition(": ")[2].partition("stay: ")[2] or note)
        for note in pruned.notes
    )


def kept_rows(file: Path) -> dict[tuple[str, str], Row]:
    """Rows of earlier runs, the last one of each architecture."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    rows = [Row(**json.loads(line)) for line in lines]
    return {(row.flavour, row.name): row for row in rows}


def print_table(rows: list[Row]) -> None:
    """As Markdown, with what failed and what stays below."""
    print("| Keras | architecture | channels removed | MACs left | " + " | ".join(WAYS), end="")
    print(" | moved | pruned in | |\n" + "| --- " * 10 + "|")
    for row in rows:
        cells = [
            f"{row.differences[way]:.1e}"
            if way in row.differences
            else ("as stock" if way in row.as_stock else "FAILS")
            for way in WAYS
        ]
        print(
            f"| {row.flavour} | {row.name} | {row.channels_removed:.0%} | {row.macs_left:.0%} | "
            f"{' | '.join(cells)} | {row.moved:.1e} | {row.prune_s:.1f} s | "
            f"{'FAILS' if row.failed else 'ok'} |"
        )
    for row in rows:
        for label, lines in (("fails", row.failed), ("as stock", row.as_stock)):
            for way, line in lines.items():
                print(f"{row.flavour} {row.name}: {label}: {way}: {line}")
        for reason, count in row.stays.items():
            print(f"{row.flavour} {row.name}: stays: {count} x {reason}")
    for flavour in FLAVOURS:
        ours = [row for row in rows if row.flavour == flavour]
        print(f"{flavour}: {sum(not row.failed for row in ours)} of {len(ours)} pass")


def main() -> int:
    """Runs what is not done yet and prints the table; returns 1 if an architecture fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("flavour", nargs="?", choices=FLAVOURS)
    parser.add_argument("names", nargs="*", metavar="ARCHITECTURE")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    file = options.folder / "channels.jsonl"
    rows = kept_rows(file)
    for flavour in [options.flavour] if options.flavour else FLAVOURS:
        keras = import_keras(flavour)
        for name in options.names or SIZES:
            if (flavour, name) in rows or not hasattr(keras.applications, name):
                continue
            rows[flavour, name] = row = measured(flavour, name)
            with file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(asdict(row)) + "\n")
            print(f"{flavour} {name}: {row.failed or 'ok'}", file=sys.stderr, flush=True)
            keras.backend.clear_session()
            gc.collect()
    order = [(flavour, name) for flavour in FLAVOURS for name in SIZES]
    found = [rows[key] for key in order if key in rows]
    print_table(found)
    return int(any(row.failed for row in found))


if __name__ == "__main__":
    sys.exit(main())
