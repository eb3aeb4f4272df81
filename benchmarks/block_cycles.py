"""Writes ``edgeprune/prediction/cycles/blocks.csv``: cycles of blocks of the pinned runtime's code.

Runs the small networks of ``calibrate_costs.py``, which have every kernel in many shapes, as floats
and as integers, stock networks in each of the converter's storages, and every file that is given,
once on each core that is emulated. Of each run, and of those that FOLDER has from
``published_cells.py``, it takes the blocks that make up all but a ten-thousandth of the
instructions, and has LLVM's models of pipelines say their cycles. Blocks that the table has already
stay in it.

    apt-get install llvm-19 qemu-user libc6-arm64-cross libstdc++6-arm64-cross
    python benchmarks/block_cycles.py FOLDER [FILE.tflite ...]      (FOLDER keeps what was counted)
"""

import csv
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from calibrate_costs import nets
from core_work import work_of
from cost_integers import integer_nets
from stock_models import application

from edgeprune.artifacts.core_work import CoreWork
from edgeprune.prediction.cycles import core_names, load_core
from edgeprune.prediction.cycles.blocks import TABLE, digest_of
from edgeprune.prediction.cycles.llvm import cycles_of

LEFT_OUT = 1e-4
STOCK = ("MobileNet", "MobileNetV3Small", "EfficientNetB0")
SIDE = 64


def hot(work: CoreWork) -> set[bytes]:
    """The blocks that matter."""
    share = {
        code: len(code) // 4 * times / work.instructions for code, times in work.blocks.items()
    }
    found, left = set(), 1.0
    for code in sorted(share, key=lambda code: (-share[code], code)):
        if left <= LEFT_OUT:
            break
        found.add(code)
        left -= share[code]
    return found


def stock_networks() -> Iterator[bytes]:
    """Stock networks in floats, with weights as bytes, in half floats, and in 16-bit integers."""
    import keras
    import tensorflow as tf

    inputs = np.random.default_rng(0).random((4, 1, SIDE, SIDE, 3), np.float32)
    for name in STOCK:
        model = application(keras, name, SIDE)
        for storage in ("floats", "dynamic", "half", "int16x8"):
            converter = tf.lite.TFLiteConverter.from_keras_model(model)
            if storage != "floats":
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
            if storage == "half":
                converter.target_spec.supported_types = [tf.float16]
            if storage == "int16x8":
                converter.representative_dataset = lambda: ([one] for one in inputs)
                converter.target_spec.supported_ops = [
                    tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
                ]
            yield converter.convert()


def networks(folder: Path, given: list[str]) -> Iterator[Path]:
    """Every file to run, written into the folder where it is none of the user's."""
    kinds = {
        "floats": (net.file() for net in nets()),
        "integers": integer_nets(),
        "stock": stock_networks(),
    }
    for kind, made in kinds.items():
        for number, tflite in enumerate(made):
            file = folder / f"{kind}-{number}.tflite"
            file.write_bytes(tflite)
            yield file
    yield from map(Path, given)


def main(name: str, *given: str) -> None:
    """Runs all, and writes the table."""
    folder = Path(name)
    folder.mkdir(parents=True, exist_ok=True)
    cores = [core for name in core_names() if (core := load_core(name)) is not None]
    blocks: set[bytes] = set()
    for file in networks(folder, list(given)):
        for core in cores:
            blocks |= hot(work_of(file, core, folder))
        print(f"{file.name}: {len(blocks):,} blocks", flush=True)
    for kept in sorted(folder.rglob("*.pickle")):
        blocks |= hot(pickle.loads(kept.read_bytes()))
    print(f"{len(blocks):,} blocks", flush=True)
    write(blocks, sorted({core.pipelines for core in cores}))


def write(blocks: set[bytes], models: list[str]) -> None:
    """Adds blocks to the table, with the cycles that each model says."""
    order = sorted(blocks, key=digest_of)
    rows = {digest_of(code): {"block": digest_of(code)} for code in order}
    for model in models:
        for code, cycles in zip(order, cycles_of(order, model), strict=True):
            rows[digest_of(code)][model] = "" if cycles is None else f"{cycles:.2f}"
    if TABLE.is_file():
        with TABLE.open(newline="", encoding="ascii") as file:
            rows = {row["block"]: row for row in csv.DictReader(file)} | rows
    with TABLE.open("w", newline="", encoding="ascii") as file:
        writer = csv.DictWriter(file, ["block", *models], restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[digest] for digest in sorted(rows))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
