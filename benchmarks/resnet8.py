"""ResNet-8 on CIFAR-10's subset: 80 % unstructured, and channels at half the MACs; float and int8.

MLPerf Tiny's trained model (Keras 2.4) is first trained on the 20,000 JPEG images and their
mirrors, because it has seen other images, and then once more, as long as the rows will be, by its
own answers. That dense model is where every row begins, and whose answers every row learns
(distillation): the dense control, edgeprune's rows and those of tensorflow-model-optimization
(tfmot) are all trained as long, by the same loss, on the same samples, with Adam, one batch size
and a learning rate that falls as a cosine.

    python benchmarks/resnet8.py FOLDER [--passes 12] [--seeds 0 1 2] [--nets dense] [--files int8]

Channels stay in multiples of 4: TensorFlow 2.21 with oneDNN on one thread damaged its heap while
it trained a first layer of 6 or 7 channels. Once start.h5 is in FOLDER, seeds may run beside each
other in processes of their own.

Rows that are done are kept in FOLDER and not run again, nor are finished passes of a training.
Accuracy is that of the .tflite file, run by LiteRT on the host, on the 2,000 test images; the
standard error of a difference between two files is about 0.5 points. Zeros are counted in the
file. ``int8`` is quantized after training; ``int8 QAT`` is trained with the rounding before that,
for one pass more, the dense control too.
"""

import argparse
import dataclasses
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # twice as fast; sums differ by machine
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # tfmot needs it

import numpy as np
from cifar10 import SHARED, decoded
from resnet8_tfmot import quantized_by_tfmot, tuned_by_tfmot

from edgeprune.artifacts.dataset import Dataset
from edgeprune.artifacts.model import Loaded
from edgeprune.channels import prune_channels
from edgeprune.console.quiet import quiet
from edgeprune.convert import convert
from edgeprune.load import load
from edgeprune.models.keras.flavours import import_keras
from edgeprune.models.keras.weights import clone
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.macs import size
from edgeprune.pruning import prune
from edgeprune.qat import qat
from edgeprune.quantize import quantize
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.recipe.qat_table import QatTable
from edgeprune.recipe.quantize_table import QuantizeTable
from edgeprune.training.context import StageContext
from edgeprune.training.distillation import Teacher, teacher_of
from edgeprune.training.loop import TrainingJob, fine_tune
from edgeprune.training.store import Place
from edgeprune.training.training_data import known_data
from edgeprune.verify import accuracy, check_kept

NETS = ("start", "dense", "unstructured", "channels", "channels-local", "tfmot")
"""``start`` is where all others begin; ``dense`` is trained on as they are; of ``channels`` more go
where more multiply-accumulates hang on them, of ``channels-local`` the same share everywhere."""

FILES = ("float", "int8", "int8 QAT")
ADAPTING = PruneTable(sparsity=0.8, layers="all", epochs=2, batch_size=128, learning_rate=3e-4)
TUNING = dataclasses.replace(
    ADAPTING,
    allocation="global",
    batch_size=64,
    learning_rate=2e-3,
    distillation=0.9,
    temperature=4.0,
    control=False,
)
QUANTIZE = QuantizeTable("int8", calibration_samples=512)
QAT = QatTable(
    epochs=1,
    batch_size=64,
    learning_rate=2e-4,
    distillation=TUNING.distillation,
    temperature=TUNING.temperature,
)


class Lab:
    """What all rows share: data, the dense model, what it answers, and the rows that are done.

    Args:
        folder: Where rows and models are kept.
        passes: Over images and mirrors, of each training.
    """

    def __init__(self, folder: Path, passes: int) -> None:
        self.folder = folder
        self.spec = dataclasses.replace(TUNING, epochs=passes)
        file = folder / "cifar10.npz"
        if not file.exists():
            decoded(SHARED / "data" / "cifar10.npz", file)
        raw = np.load(file)
        x, x_test = (raw[f"x_{part}"].astype(np.float32) for part in ("train", "test"))
        y, y_test = (raw[f"y_{part}"].astype(int) for part in ("train", "test"))
        mirrored = np.concatenate([x, x[:, :, ::-1]])
        self.data = Dataset(mirrored, np.concatenate([y, y]), x_test, y_test, "cifar10")
        self.calibration = [[row[None]] for row in x[: QUANTIZE.calibration_samples]]
        settings = repr((self.spec, ADAPTING, QAT, QUANTIZE))
        file = folder / "settings.txt"
        if file.exists() and file.read_text() != settings:
            sys.exit(f"{folder} is of other settings: give another folder")
        file.write_text(settings)
        self.rows: dict[str, dict[str, Any]] = {
            file.stem.removeprefix("row-"): json.loads(file.read_text())
            for file in folder.glob("row-*.json")
        }
        self.dense = self._dense()
        self.teacher = self._teacher_of(self.dense)

    def _dense(self) -> Loaded:
        """Where all rows begin."""
        adapted, start = self.folder / "adapted.h5", self.folder / "start.h5"
        if not adapted.exists():
            model = load(SHARED / "models" / "pretrainedResnet.h5")
            self.train(model, ADAPTING, "adapted", None)
            save(model, adapted)
        if not start.exists():
            model = load(adapted)
            self.train(model, self.spec, "start", self._teacher_of(model))
            save(model, start)
        return load(start)

    def _teacher_of(self, model: Loaded) -> Teacher:
        known = known_data(model.keras, self.data.x_train, self.data.y_train)
        spec = self.spec
        made = teacher_of(model.keras, known.x, spec.distillation, spec.temperature, known.task)
        return made or sys.exit("the rows are to be distilled")

    def train(self, model: Loaded, spec: PruneTable, name: str, teacher: Teacher | None) -> None:
        """Trains a model in place, as it is."""
        import_keras("tf_keras").utils.set_random_seed(spec.seed)
        data = known_data(model.keras, self.data.x_train, self.data.y_train)
        place = Place(self.folder / f"{name}-{spec.seed}")
        options = spec.training()
        job = TrainingJob(model.keras, "tf_keras", None, options, data, say, place)
        fine_tune(dataclasses.replace(job, teacher=lambda: teacher))

    def keep(self, seed: int, net: str, file: str, tflite: bytes) -> None:
        """Scores a file and writes its row down."""
        (self.folder / f"{net}-{seed}-{file}.tflite").write_bytes(tflite)
        score = accuracy(tflite, self.data)
        row = {"top1": score.value, "zeros": graph.weight_sparsity(tflite), "bytes": len(tflite)}
        if file == "float":
            row["macs"] = size(tflite).macs
        self.rows[f"{seed} {net} {file}"] = row
        (self.folder / f"row-{seed} {net} {file}.json").write_text(json.dumps(row))
        say(f"seed {seed}, {net}, {file}: {row}")


def say(line: str) -> None:
    """Prints progress where the table does not go."""
    print(line, file=sys.stderr, flush=True)


def save(model: Loaded, path: Path) -> None:
    """Writes a Keras model's file."""
    with quiet():
        model.keras.save(path)


def tuned(lab: Lab, net: str, seed: int) -> Loaded:
    """The network of a row, pruned and trained; kept in a file once it is done."""
    path = lab.folder / f"{net}-{seed}.h5"
    if net == "start":
        return lab.dense
    if path.exists():
        return load(path)
    spec = dataclasses.replace(lab.spec, seed=seed)
    if net == "tfmot":
        made = dataclasses.replace(
            lab.dense, keras=tuned_by_tfmot(lab.dense.keras, lab.data, spec, lab.teacher.answers)
        )
    elif net == "unstructured":
        made = prune(lab.dense, spec, StageContext(lab.data, say)).model
    else:
        start = clone(lab.dense)
        if net.startswith("channels"):
            scope = "local" if net == "channels-local" else "macs"
            start = prune_channels(start, macs=0.5, scope=scope, round_to=4).model
        made = dataclasses.replace(lab.dense, keras=start)
        lab.train(made, spec, net, lab.teacher)
    save(made, path)
    return made


def run(lab: Lab, net: str, seed: int, files: list[str]) -> None:
    """The rows of one network and seed that are not there yet."""
    left = [file for file in files if f"{seed} {net} {file}" not in lab.rows]
    if not left:
        return
    model = tuned(lab, net, seed)
    for file in left:
        lab.keep(seed, net, file, made(lab, model, net, file, seed))


def made(lab: Lab, model: Loaded, net: str, file: str, seed: int) -> bytes:
    """The file of one row."""
    if file == "float":
        return convert(model)
    if file == "int8 QAT":
        if net == "tfmot":
            spec = dataclasses.replace(
                lab.spec, epochs=QAT.epochs, learning_rate=QAT.learning_rate, seed=seed
            )
            answers = lab.teacher.answers
            return quantized_by_tfmot(model.keras, lab.data, spec, answers, lab.calibration)
        model = qat(
            model, QAT, QUANTIZE.mode, StageContext(lab.data, say, seed, teacher=lab.dense), {}
        ).model
    tflite = convert(model)
    done = quantize(tflite, "int8", lab.calibration).tflite
    check_kept("quantize", tflite, done, blocks=False, codebooks=False)  # no zero may be lost
    return done


def printed(lab: Lab, seeds: list[int]) -> None:
    """The table, of the rows that there are."""
    print(
        "| network | file | top-1 % (each seed) | points beside dense | beside its float | zeros |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for net in NETS:
        for file in FILES:
            found = {
                seed: lab.rows[f"{seed} {net} {file}"]
                for seed in seeds
                if f"{seed} {net} {file}" in lab.rows
            }
            if found:
                print(line(lab, net, file, found))


def line(lab: Lab, net: str, file: str, found: dict[int, dict[str, Any]]) -> str:
    """One row of the table."""
    scores = [100 * row["top1"] for row in found.values()]

    def beside(other: str) -> str:
        gaps = [
            100 * (row["top1"] - lab.rows[key]["top1"])
            for seed, row in found.items()
            if (key := f"{seed} {other}") in lab.rows
        ]
        return (
            f"{statistics.mean(gaps):+.2f} ({min(gaps):+.2f} to {max(gaps):+.2f})" if gaps else ""
        )

    each = ", ".join(f"{score:.2f}" for score in scores)
    zeros = statistics.mean(row["zeros"] for row in found.values())
    return (
        f"| {net} | {file} | {statistics.mean(scores):.2f} ({each}) | {beside('dense float')} | "
        f"{beside(f'{net} float')} | {zeros:.2%} |"
    )


def main() -> None:
    """Runs what is not done yet, one seed after the other, and prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--passes", type=int, default=12)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--nets", nargs="+", choices=NETS, default=NETS)
    parser.add_argument("--files", nargs="+", choices=FILES, default=FILES)
    asked = parser.parse_args()
    if not SHARED.is_dir():
        sys.exit("the trained model and CIFAR-10 are not at hand: nothing measured")
    asked.folder.mkdir(parents=True, exist_ok=True)
    lab = Lab(asked.folder, asked.passes)
    for seed in asked.seeds:
        for net in asked.nets:
            run(lab, net, seed, asked.files)
    printed(lab, asked.seeds)


if __name__ == "__main__":
    main()
