"""How much full-integer inference takes, beside float32: on two emulated Arm cores, and here.

The Cortex-A72 lacks the dot-product instructions that the Cortex-A76 has. Prints one line per
network and core: million instructions per inference as float32 and as int8 (ranges from random
inputs, which change no count), and their ratio. On this machine it prints median times instead.
Last come the shares of the A76's counts that ``edgeprune.prediction.cost.integers`` predicts.

    python benchmarks/int8_instructions.py FOLDER [--nets MobileNet mlp16]

Networks are made in FOLDER, with seeded weights, and kept there.
"""

import argparse
import dataclasses
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import stock_models

from edgeprune.agents import build, runtime
from edgeprune.agents.session import AgentSession
from edgeprune.agents.start import start_agent
from edgeprune.convert import convert
from edgeprune.devices.boards import Board, load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import TRANSPORTS, Transport
from edgeprune.load import load
from edgeprune.models.keras.flavours import import_keras
from edgeprune.prediction.cost.integers import int8_instructions
from edgeprune.quantize import quantize

RUNS = (1, 3)
SIZE = 64
APPLICATIONS = (
    "MobileNet", "MobileNetV2", "MobileNetV3Large", "MobileNetV3Small", "EfficientNetB0",
    "ResNet50", "DenseNet121", "NASNetMobile",
)  # fmt: skip
SHARED = Path(__file__).resolve().parents[2] / "shared" / "models"


def mlp(keras: Any, width: int) -> Any:
    """Three dense layers."""
    layers = keras.layers
    hidden = [layers.Dense(width, activation="relu") for _ in range(2)]
    return keras.Sequential([layers.Input((4 * width,)), *hidden, layers.Dense(10)])


def convolutions(keras: Any, width: int) -> Any:
    """Kernels of one size and another, no depthwise ones."""
    layers = keras.layers
    x = inputs = layers.Input((24, 24, 3))
    for kernel, stride in ((3, 1), (3, 2), (1, 1), (5, 2)):
        x = layers.ReLU()(layers.Conv2D(width, kernel, stride, "same")(x))
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def depthwise(keras: Any, width: int) -> Any:
    """Depthwise kernels alone."""
    layers = keras.layers
    x = inputs = layers.Input((20, 20, width))
    for kernel in (3, 5, 3):
        x = layers.ReLU()(layers.DepthwiseConv2D(kernel, 1, "same")(x))
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(x))


def separable(keras: Any, width: int) -> Any:
    """A small MobileNet."""
    blocks = [(1, width), (2, 2 * width), (1, 2 * width)]
    return stock_models.separable_net(keras, (32, 32, 3), (width, 3, 2), blocks, 10)


def makers() -> dict[str, Callable[[Any], Any]]:
    """What makes each network, by its name."""
    made: dict[str, Callable[[Any], Any]] = {
        name: lambda keras, name=name: stock_models.application(keras, name, SIZE)
        for name in APPLICATIONS
    }
    made |= {"cifar": stock_models.cifar_mobilenet, "ds-cnn-l": stock_models.keyword_net}
    kinds = {
        mlp: (16, 64, 256),
        convolutions: (8, 32, 96),
        depthwise: (16, 64, 200),
        separable: (8, 16, 32, 64),
    }
    for kind, widths in kinds.items():
        made |= {f"{kind.__name__}{w}": lambda k, kind=kind, w=w: kind(k, w) for w in widths}
    return made


def network(folder: Path, name: str) -> bytes:
    """A float file, made where it is not there."""
    path = folder / f"{name}.tflite"
    if not path.exists():
        source = SHARED / name
        if not source.exists():
            source = folder / f"{name}.keras"
            makers()[name](import_keras("keras")).save(source)
        path.write_bytes(convert(load(source)))
    return path.read_bytes()


def boards() -> dict[str, Board]:
    """The emulated cores and this machine, by name."""
    emulated = load_board("rpi4-emulated")
    a76 = dataclasses.replace(emulated, cpu=load_board("rpi5").cpu)
    return {"cortex-a72": emulated, "cortex-a76": a76, "this machine": load_board("local")}


def loaded(transport: Transport, file: Path, **rest: bool) -> AgentSession:
    """An agent with the model loaded, one thread."""
    board = transport.board
    session = start_agent(transport, str(build.agent(board.agent.target)), **rest)
    library = runtime.library(board.cpu.isa, board.runtime.version)
    session.load(str(library.path), str(file), timeout_s=600)
    return session


def instructions(transport: Transport, file: Path) -> float:
    """Instructions of one inference: the difference of two run lengths."""
    totals = []
    for runs in RUNS:
        session = loaded(transport, file, count_instructions=True)
        session.time(warmup=1, runs=runs, max_s=0.0, timeout_s=600)
        totals.append(session.close() or 0)
    return (totals[1] - totals[0]) / (RUNS[1] - RUNS[0])


def median_ns(transport: Transport, file: Path) -> float:
    """Median time of one inference."""
    with loaded(transport, file) as session:
        return statistics.median(session.time(10, 60, max_s=10.0, timeout_s=120).latency_ns)


def measured(folder: Path, name: str) -> float:
    """Prints a network's lines; instructions of int8 on the Cortex-A76."""
    files = [folder / f"{name}.tflite", folder / f"{name}-int8.tflite"]
    files[1].write_bytes(quantize(network(folder, name), "int8", None).tflite)
    counts = {}
    for core, board in boards().items():
        with TRANSPORTS.get(board.transport.use)(board, Device(core, core)) as transport:
            measure = instructions if transport.emulated else median_ns
            wide, counts[core] = (measure(transport, file) for file in files)
        unit = "M instructions" if transport.emulated else "ms (median)"
        print(
            f"{name:24} {core:13} float32 {wide / 1e6:9.3f} int8 {counts[core] / 1e6:9.3f} "
            f"{unit:15} ratio {counts[core] / wide:.3f}",
            flush=True,
        )
    return counts["cortex-a76"]


def print_predictions(folder: Path, counts: dict[str, float]) -> None:
    """How far each network is off."""
    cpu = load_board("rpi5").cpu
    for name, count in counts.items():
        predicted = int8_instructions(network(folder, name), cpu)
        share = "unknown" if predicted is None else f"{predicted / count:.2f}"
        print(f"    {name:24} predicted {share} of its count")


def main() -> None:
    """Prints the table, and the fit where there are networks enough."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nets", nargs="+")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    shared = ("pretrainedResnet.h5", "ad01.h5", "kws_ref_model") if SHARED.is_dir() else ()
    names = options.nets or [*makers(), *shared]
    counts = {name: measured(options.folder, name) for name in names}
    print_predictions(options.folder, counts)


if __name__ == "__main__":
    main()
