"""Instructions of one inference on an emulated core: CMSIS-NN's dense kernels beside ours.

    python benchmarks/beside_cmsis_nn.py FOLDER_OF_CMSIS_NN [dsp|mve] [NETWORK ...]

CMSIS-NN (github.com/ARM-software/CMSIS-NN) is called directly, without an interpreter, compiled
by gcc at -O3. Ours is so too, and as edgeprune builds it: by ziglang, for size. Outputs of ours are
held against LiteRT's reference kernels.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import mlperf_tiny  # puts the tests' folder onto the path
import numpy as np
from firmware_rig import C99, FIRMWARE, Core, sources
from int8_layers import Layer

from edgeprune.files import paths
from edgeprune.firmware import build
from edgeprune.firmware.operations import Add, Alias, Convolution, Pool, Softmax
from edgeprune.firmware.plan import compiled
from edgeprune.firmware.read.steps import steps_of
from edgeprune.models.tflite import graph

BOARDS = {"dsp": "mps2-an386", "mve": "mps3-an547"}
BLOCKS = {"dsp": 4, "mve": 16}
SPARSITIES = (0.0, 0.75, 0.9)
PARTS = (
    "ConvolutionFunctions", "FullyConnectedFunctions", "NNSupportFunctions", "PoolingFunctions",
    "BasicMathFunctions", "SoftmaxFunctions", "TransposeFunctions",
)  # fmt: skip
OTHER_TYPES = ("_f16", "_f32", "_flt")
"""Files of other types, which nothing here calls."""

KINDS = {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 3}


class CmsisNN(Core):
    """CMSIS-NN on an emulated core."""

    def __init__(self, folder: Path, isa: str, cmsis_nn: Path) -> None:
        """Builds it."""
        sources = [Path(__file__).with_name("cmsis_nn_layers.c")]
        for part in PARTS:
            files = sorted((cmsis_nn / "Source" / part).glob("*.c"))
            sources += [file for file in files if not file.stem.endswith(OTHER_TYPES)]
        language = ["-std=gnu11", "-ffunction-sections", "-Wl,--gc-sections"]
        language.append(f"-I{cmsis_nn / 'Include'}")
        super().__init__(folder, isa, "cmsis_nn", language, sources)

    def inference(self, tflite: bytes, values: np.ndarray) -> tuple[int, np.ndarray]:
        """Instructions and outputs."""
        source, target = self.folder / "layers.bin", self.folder / "cmsis_nn.bin"
        source.write_bytes(_layers(tflite, values))
        self.start(source, target, 300)
        data = target.read_bytes()
        (ticks,) = struct.unpack_from("<I", data)
        return ticks * self.tick_instructions, np.frombuffer(data, np.int8, -1, 4)


def _layers(tflite: bytes, values: np.ndarray) -> bytes:
    """The file that ``cmsis_nn_layers.c`` reads."""
    model = graph.view(tflite)
    tensors = model.subgraphs[0].tensors
    alias: dict[int, int] = {}
    layers = []
    for step in steps_of(model):
        if isinstance(step.operation, Alias):
            alias[step.output] = alias.get(step.inputs[0], step.inputs[0])
            continue
        inputs = [alias.get(i, i) for i in step.inputs]
        layers.append(_layer(step.operation, inputs, step.output))
    (first,), (last,) = graph.io_tensors(model)
    sizes = [int(np.prod(graph.shape_of(tensor))) for tensor in tensors]
    constant = [graph.constant(model, tensor) is not None for tensor in tensors]
    sizes = [8 if known else size for size, known in zip(sizes, constant, strict=True)]
    head = [len(tensors), len(layers), first, alias.get(last, last), *sizes]
    return struct.pack(f"<{len(head)}i", *head) + _filled(values.tobytes()) + b"".join(layers)


def _filled(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _layer(operation: object, inputs: list[int], output: int) -> bytes:
    kind, window, zero_points, limits = 0, [0] * 14, (0, 0, 0), (-128, 127)
    numbers, data, sizes = [0] * 8, b"", (0, 0)
    if isinstance(operation, (Convolution, Pool)):
        found = operation.window
        window = [*found.input, *found.output, *found.kernel, *found.stride, *found.dilation]
        window += found.pad
        zero_points, limits = (found.zero_points[0], 0, found.zero_points[1]), found.limits
        kind = 5
    if isinstance(operation, Convolution):
        kind = KINDS[operation.op]
        data, sizes = _weights(operation)
    if isinstance(operation, Add):
        kind, zero_points, limits = 4, operation.zero_points, operation.limits
        shifts = [-shift for shift in operation.shifts]
        numbers = [*operation.multipliers, *shifts, int(np.prod(operation.broadcast.sizes)), 0]
    if isinstance(operation, Softmax):
        kind = 6
        numbers = [operation.rows, operation.columns, operation.multiplier]
        numbers += [operation.left_shift, operation.diff_min, 0, 0, 0]
    sources = (*inputs, 0)[:2]
    head = [kind, *sources, output, *sizes, *window, *zero_points, *limits, *numbers]
    return struct.pack(f"<{len(head)}i", *head) + data


def _weights(operation: Convolution) -> tuple[bytes, tuple[int, int]]:
    """Weights, biases, multipliers and shifts as CMSIS-NN takes them; bytes and channels."""
    weights = operation.weights
    bias = operation.bias + operation.window.zero_points[0] * weights.astype(np.int64).sum(axis=1)
    if operation.op == "DEPTHWISE_CONV_2D":
        weights = np.ascontiguousarray(weights.T)
    table = np.stack([bias, operation.multipliers, -operation.shifts]).astype("<i4")
    return _filled(weights.tobytes()) + table.tobytes(), (weights.size, len(operation.bias))


def as_built(folder: Path, isa: str) -> Core:
    """The engine on an emulated core, compiled as a board's firmware is."""
    settings = build.settings(BOARDS[isa])
    target = ["-target", build.TARGETS[settings["FLOAT"]], f"-mcpu={settings['ZIG_CPU']}"]
    flags = [*target, *C99, *settings["FLAGS"].split(), "-fshort-enums"]
    flags += ["-fno-exceptions", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables"]
    libc = ["-isystem", str(FIRMWARE / "ports" / "cortex_m" / "libc")]
    cache = str(paths.cache_folder() / "zig")
    folders = {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
    *engine, program = sources()
    objects = [folder / f"{source.stem}.o" for source in engine]
    for source, made in zip(engine, objects, strict=True):
        argv = [sys.executable, "-m", "ziglang", "cc", *flags, *libc, "-c", source, "-o", made]
        subprocess.run(argv, check=True, env={**os.environ, **folders})
    return Core(folder, isa, "as_built", files=[*objects, program])


def _ours(core: Core, isa: str, tflite: bytes, values: np.ndarray) -> tuple[int, int]:
    """Instructions, and bytes of the plan."""
    plan = compiled(tflite, isa).data
    ran = core.run([(plan, values.tobytes())])[0]
    wanted = Layer("", tflite, values[None]).outputs()
    if ran.status or not np.array_equal(ran.outputs, wanted):
        raise SystemExit("outputs are not those of LiteRT's reference kernels")
    return ran.instructions, len(plan)


def main() -> None:
    """Prints one line a network and sparsity."""
    cmsis_nn, isa, *names = [*sys.argv[1:], "dsp"][: max(2, len(sys.argv) - 1)]
    with tempfile.TemporaryDirectory() as folder:
        core, built = Core(Path(folder), isa), as_built(Path(folder), isa)
        theirs = CmsisNN(Path(folder), isa, Path(cmsis_nn).resolve())
        print("network  sparsity   CMSIS-NN    ours, -O3   share    as built   share   plan, bytes")
        for name, dense in mlperf_tiny.networks().items():
            if names and name not in names:
                continue
            model = graph.view(dense)
            shape = graph.shape_of(model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]])
            values = np.random.default_rng(0).integers(-128, 128, shape[1:]).astype(np.int8)
            counted, found = theirs.inference(dense, values)
            differing = int((found != Layer("", dense, values[None]).outputs()).sum())
            for sparsity in SPARSITIES:
                tflite = mlperf_tiny.in_blocks(dense, sparsity, BLOCKS[isa])
                ours, size = _ours(core, isa, tflite, values)
                users, _ = _ours(built, isa, tflite, values)
                print(
                    f"{name:8} {sparsity:8.0%} {counted:10,} {ours:12,} {ours / counted:7.3f} "
                    f"{users:11,} {users / counted:7.3f} {size:13,}",
                    flush=True,
                )
            print(f"{name:8} outputs of CMSIS-NN that differ from the reference: {differing}")


if __name__ == "__main__":
    main()
