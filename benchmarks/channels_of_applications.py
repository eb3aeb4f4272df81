"""Half the channels of every group removed, in each family of ``keras.applications``.

For each architecture, in both Kerases, with seeded random weights and without the last softmax: the
share of all channels and of the multiply-accumulates; the largest difference between the pruned
model and the dense one whose weights for the removed channels are zero, relative to the largest
output; the same after saving (``.keras`` and ``.h5``) and loading by edgeprune, where that loads
the unpruned model; and after conversion, run by LiteRT on this host; and what had to stay, by
reason. "moved" is how far pruning itself moved the outputs: a check that could not fail would show
0 there.

    python benchmarks/channels_of_applications.py [FLAVOUR [ARCHITECTURE ...]]
"""

import gc
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from stock_models import seeded

from edgeprune.artifacts import Array, Flavour, Loaded, ModelFile
from edgeprune.convert import convert
from edgeprune.errors import EdgepruneError
from edgeprune.keras_flavours import import_keras, quiet
from edgeprune.load import load
from edgeprune.prune.channels import ChannelPruned, masked_dense, prune_channels
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


def measure(
    flavour: Flavour, name: str, dense: Any, pruned: Any, x: Array, wanted: Array
) -> tuple[list[str], list[str], list[str]]:
    """Differences of what came of the pruned model to ``wanted``; failures; failures of stock."""

    def converted() -> Array:
        source = ModelFile(Path(name), "", "memory")
        host = HostModel(convert(Loaded(source, pruned, flavour)), reference=False)
        return np.concatenate([host([one[None]])[0] for one in x])

    ways: dict[str, Callable[[], Array]] = {
        "masked": lambda: outputs(pruned, x),
        ".keras": lambda: outputs(saved(pruned, name, ".keras"), x),
        ".h5": lambda: outputs(saved(pruned, name, ".h5"), x),
        "litert": converted,
    }
    found, failed, stock = [], [], []
    for way, run in ways.items():
        try:
            value = difference(run(), wanted)
        except (EdgepruneError, ValueError, TypeError) as error:
            line = f"{way}: {' '.join(str(error).split())[:200]}"
            (stock if way[0] == "." and not loads(dense, name, way) else failed).append(line)
            continue
        found.append(f"{way} {value:.1e}")
        if not value <= LIMIT:
            failed.append(f"{way} differs by more than {LIMIT:g}")
    return found, failed, stock


def loads(model: Any, name: str, ending: str) -> bool:
    """Whether the model can be saved and loaded as it is."""
    try:
        saved(model, name, ending)
    except (EdgepruneError, ValueError, TypeError):
        return False
    return True


def row(flavour: Flavour, name: str) -> tuple[str, bool]:
    """The table's line for one architecture, and whether every difference is within the limit."""
    keras = import_keras(flavour)
    size = SIZES[name]
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
    pruned = prune_channels(model, pruning_ratio=0.5)
    took_s = time.perf_counter() - started
    wanted = outputs(masked_dense(model, pruned), x)
    found, failed, stock = measure(flavour, name, model, pruned.model, x, wanted)
    channels = 1 - pruned.channels_after / pruned.channels_before
    macs = (pruned.macs_after or 0) / (pruned.macs_before or 1)
    moved = difference(outputs(model, x), wanted)
    lines = [
        f"{'ok ' if not failed else 'BAD'} {flavour:<8} {name:<18} channels removed {channels:4.0%}"
        f" macs left {macs:4.0%}  {'  '.join(found)}  moved {moved:.1e}  {took_s:.1f} s",
        *(f"      {line}" for line in failed),
        *(f"      as the unpruned model: {line}" for line in stock),
        *(f"      {count} x {reason}" for reason, count in reasons(pruned).items()),
    ]
    return "\n".join(lines), not failed


def _wake(model: Any) -> None:
    """What weights that were drawn anew leave asleep, in EfficientNet and ConvNeXt."""
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if type(layer).__name__ == "Normalization":  # goes on with the old weights otherwise
            layer.finalize_state()
        if type(layer).__name__ == "LayerScale":  # begins at 1e-6, which hides its whole block
            layer.gamma.assign(rng.uniform(0.8, 1.2, layer.gamma.shape))


def reasons(pruned: ChannelPruned) -> Counter[str]:
    """Why layers keep channels, without the layers' names."""
    return Counter(
        re.sub(r"'[^']*/?[^']*' \(", "(", note.partition("stay: ")[2], count=1)
        for note in pruned.notes
    )


def main(flavours: list[str], names: list[str]) -> int:
    """Prints the table; returns 1 if an architecture does not pass."""
    passed = total = 0
    for flavour in flavours:
        keras = import_keras(flavour)  # type: ignore[arg-type]
        for name in names or SIZES:
            if not hasattr(keras.applications, name):
                continue
            total += 1
            try:
                text, is_good = row(flavour, name)  # type: ignore[arg-type]
            except EdgepruneError as error:
                text, is_good = f"BAD {flavour:<8} {name:<18} refused: {error}", False
            print(text, flush=True)
            passed += is_good
            keras.backend.clear_session()
            gc.collect()
    print(f"{passed} of {total} pass")
    return passed < total


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:2] or ["keras", "tf_keras"], sys.argv[2:]))
