"""Accuracy of pruned and fine-tuned networks on emulated microcontrollers, by ``edgeprune deploy``.

    python benchmarks/microcontroller_accuracy.py FOLDER [--nets kws ic] [--sparsities 0.75 0.9]
        [--boards mps2-an386 mps3-an547] [--seeds 0 1] [--images 20000] [--epochs 4]
        [--augment auto]

Each row is one ``edgeprune deploy MODEL --board BOARD --data DATA --recipe RECIPE``: pruned in the
core's pattern (blocks of 4 along a row for a Cortex-M4, of 16 for a Cortex-M55), trained, stored as
int8, run on the emulated board. The recipe's training is edgeprune's default but for ``--epochs``.

- ``ic``: MLPerf Tiny's trained ResNet-8, on CIFAR-10 out of ``../shared``: JPEG images, on which it
  is weaker than on the originals it was trained with.
- ``kws``: the architecture of MLPerf Tiny's keyword network (DS-CNN), with 10 classes in place of
  12. No speech is at hand: here it is trained on MNIST's digits, resized to 49 x 10, an easy task.
- Anomaly detection (``ad01.h5``) is left out: without its machines' sounds nothing can be said.

2,000 test images each: where three of four are right, a difference of two rows has a standard
error of about 1 point. Accuracy is that of the int8 file on the host, in LiteRT's kernels, over all
of them. The board's outputs equal those of LiteRT's reference kernels bit by bit (the last column
says on how many inputs that was compared); LiteRT's kernels differ by 1 here and there.

Rows that are done are kept in FOLDER and not run again; other nets, boards and seeds may join them.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # twice as fast; sums differ by machine
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # of which MLPerf Tiny's models are

import numpy as np
from cifar10 import SHARED, decoded
from PIL import Image

from edgeprune.data.augment import CHOICES
from edgeprune.training.batch_norm import BatchNormStatistics

BOARDS = {"mps2-an386": "Cortex-M4", "mps3-an547": "Cortex-M55"}
KWS_INPUT = (49, 10)
KWS_FILTERS = 64
TEST_IMAGES = 2000
"""As many as CIFAR-10's subset has."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One network, pruned for one board."""

    net: str
    board: str
    sparsity: float
    seed: int

    @property
    def name(self) -> str:
        """Its folder's name."""
        return f"{self.net}-{self.board}-{self.sparsity:g}-{self.seed}"


def images_of(folder: Path, net: str, count: int) -> Path:
    """The network's data as ``.npz``, with so many training images at most."""
    file = folder / f"{net}-{count}.npz"
    if file.exists():
        return file
    if net == "ic":
        whole = folder / "cifar10.npz"
        if not whole.exists():
            decoded(SHARED / "data" / "cifar10.npz", whole)
        raw = np.load(whole)
    else:
        raw = np.load(SHARED / "data" / "mnist.npz")
    arrays: dict[str, np.ndarray] = {}
    for part, limit in (("train", count), ("test", TEST_IMAGES)):
        x, y = raw[f"x_{part}"][:limit], raw[f"y_{part}"][:limit]
        arrays[f"x_{part}"] = x.astype(np.float32) if net == "ic" else _as_spectrogram(x)
        arrays[f"y_{part}"] = y.astype(np.int64)
    np.savez(file, **arrays)
    return file


def _as_spectrogram(images: np.ndarray) -> np.ndarray:
    """Digits ``(n, 28, 28)`` in the keyword network's input, ``(n, 49, 10, 1)``, 0 to 1."""
    size = KWS_INPUT[::-1]
    resized = [Image.fromarray(image).resize(size, Image.Resampling.BILINEAR) for image in images]
    return np.stack(resized)[..., None].astype(np.float32) / 255


def model_of(folder: Path, net: str, seed: int, count: int) -> Path:
    """The dense network of a row."""
    if net == "ic":
        return SHARED / "models" / "pretrainedResnet.h5"
    file = folder / f"kws-{count}-{seed}.h5"
    if not file.exists():
        data = np.load(images_of(folder, net, count))
        _train(data["x_train"], data["y_train"], seed, file)
    return file


def _train(x: np.ndarray, y: np.ndarray, seed: int, file: Path) -> None:
    """Trains MLPerf Tiny's DS-CNN from scratch, as no edgeprune command does."""
    import tf_keras
    from tf_keras import layers

    tf_keras.utils.set_random_seed(seed)

    def normed(x: Any) -> Any:
        return layers.ReLU()(layers.BatchNormalization()(x))

    start = z = layers.Input((*KWS_INPUT, 1))
    z = normed(layers.Conv2D(KWS_FILTERS, (10, 4), strides=2, padding="same")(z))
    z = layers.Dropout(0.2)(z)
    for _ in range(4):
        z = normed(layers.DepthwiseConv2D(3, padding="same")(z))
        z = normed(layers.Conv2D(KWS_FILTERS, 1)(z))
    z = layers.AveragePooling2D((25, 5))(layers.Dropout(0.4)(z))
    model = tf_keras.Model(start, layers.Dense(10, "softmax")(layers.Flatten()(z)))
    epochs, batch = 4, 64
    rate = tf_keras.optimizers.schedules.CosineDecay(2e-3, epochs * -(-len(x) // batch))
    model.compile(tf_keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=batch, epochs=epochs, verbose=2)
    # So few steps leave moving averages far behind, and the network at chance.
    BatchNormStatistics(model).measure(x, np.arange(len(x)), batch)
    model.save(file)


def deployed(row: Row, folder: Path, asked: argparse.Namespace, control: bool) -> dict[str, Any]:
    """The row's ``result.json``; deploys first where it is not there."""
    out = folder / row.name
    if not (out / "result.json").exists():
        recipe = folder / f"{row.name}.toml"
        recipe.write_text(
            f'[prune]\nsparsity = {row.sparsity}\npattern = "kernel"\nepochs = {asked.epochs}\n'
            f"seed = {row.seed}\ncontrol = {str(control).lower()}\n"
            '[quantize]\nmode = "int8"\n'
        )
        model = model_of(folder, row.net, row.seed, asked.images)
        data = images_of(folder, row.net, asked.images)
        words = ["deploy", model, "--board", row.board, "--data", data, "--recipe", recipe]
        words += ["--augment", asked.augment if row.net == "ic" else "none"]
        command = [sys.executable, "-m", "edgeprune", *map(str, words), "-o", str(out)]
        print(f"{row.name}: training", file=sys.stderr, flush=True)
        with (folder / f"{row.name}.log").open("w") as log:
            code = subprocess.run(command, stdout=log, stderr=log, check=False).returncode
        if code:
            sys.exit(f"{row.name}: deploy ended with {code}: see {folder / row.name}.log")
    found: dict[str, Any] = json.loads((out / "result.json").read_text())
    return found


def line(row: Row, found: dict[str, Any], trained_dense: float | None) -> str:
    """One row of the table."""
    variants = {variant["name"]: variant for variant in found["variants"]}
    dense, made = variants["dense"], variants["deployed"]

    def percent(variant: dict[str, Any]) -> str:
        return f"{100 * variant['accuracy']['value']:.2f} %"

    def millions(variant: dict[str, Any]) -> str:
        return f"{variant['instructions']['per_inference'] / 1e6:.3f}"

    trained = "" if trained_dense is None else f"{100 * trained_dense:.2f} %"
    share = made["instructions"]["per_inference"] / dense["instructions"]["per_inference"]
    cells = [
        row.net,
        BOARDS[row.board],
        f"{made['sparsity']:.1%}",
        str(row.seed),
        percent(dense),
        trained,
        percent(made),
        millions(dense),
        f"{millions(made)} ({share:.2f})",
        f"{made['parity']['samples']}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Runs what is not done yet, and prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nets", nargs="+", choices=("kws", "ic"), default=("kws", "ic"))
    parser.add_argument("--boards", nargs="+", choices=BOARDS, default=tuple(BOARDS))
    parser.add_argument("--sparsities", nargs="+", type=float, default=(0.75, 0.9))
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1))
    parser.add_argument("--images", type=int, default=20000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--augment", choices=CHOICES, default="auto", help="of ic")
    asked = parser.parse_args()
    if not SHARED.is_dir():
        sys.exit("the trained model and the images are not at hand: nothing measured")
    asked.folder.mkdir(parents=True, exist_ok=True)
    settings, file = (
        f"{asked.images} images, {asked.epochs} epochs\n",
        asked.folder / "settings.txt",
    )
    if file.exists() and file.read_text() != settings:
        sys.exit(f"{asked.folder} is of {file.read_text().strip()}: give another folder")
    file.write_text(settings)
    print(
        "| network | core | zeros | seed | dense, int8 | dense trained as long, float32 "
        "| pruned, int8 | M instructions dense | pruned (share) | inputs compared |"
    )
    print(f"|{' --- |' * 10}")
    for net in asked.nets:
        for seed in asked.seeds:
            # The dense network beside it is trained on the same batches whatever is pruned.
            trained_dense = None
            for board in asked.boards:
                for sparsity in asked.sparsities:
                    row = Row(net, board, sparsity, seed)
                    is_first = board == asked.boards[0] and sparsity == asked.sparsities[0]
                    found = deployed(row, asked.folder, asked, is_first)
                    for variant in found["variants"]:
                        if variant["name"] == "dense-fine-tuned":
                            trained_dense = variant["accuracy"]["value"]
                    print(line(row, found, trained_dense), flush=True)


if __name__ == "__main__":
    main()
