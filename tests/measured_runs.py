"""What a device brought back, made by hand, and the results of it."""

from pathlib import Path

import numpy as np
from results import document

from edgeprune.artifacts.core_work import CycleEstimate, NoEstimate
from edgeprune.artifacts.measurement import (
    Accuracy,
    DeviceFacts,
    LayerTiming,
    Measured,
    Parity,
    Pinning,
    RunResult,
    Session,
    SessionState,
    StartSample,
    Timed,
    Variant,
)
from edgeprune.artifacts.model import ModelFile
from edgeprune.report.result import build_result

DEVICE = DeviceFacts("desk-pi", "Cortex-A72 aarch64", "Linux 6.6 aarch64", "1.0", "2.3.0 (ab12)")
PARITY = Parity("host reference kernels", 3e-7, 0.99, 16, "desk-pi", limit=1e-4, passed=True)
STATE = SessionState(
    50.0, 55.0, 54.0, 1.8e9, 1.7e9, 1.8e9, "performance", 0, 0, 0, 0, 0.01, 0.02, 0.0, 0.5, 80.0,
    True, 4, ("clock: no cpufreq",),
)  # fmt: skip
TIMED = Timed("quick", 6, 13, 0.2, ("dense", "deployed", "deployed", "dense"), notes=("cooled",))
PINNING = Pinning((4, 5), "performance", ("performance",), ("schedutil",), False, True, "told")
STARTS = tuple(StartSample(10**6 * k, 10**5, 5_000_000 + k, 1_000_000) for k in (3, 1, 2))
ESTIMATE = CycleEstimate(3_600_000, "cortex-a72", 1_800_000_000, 0.3, 3e6, 5e5, 1e5, 0.002)
NO_ESTIMATE = NoEstimate("the counter is broken")
LAYER = LayerTiming("conv1", "CONV_2D", "Convolution (NCHW, F32) SPMM", True, 12.5)


def measured(
    name, sessions=6, runs=120, median_us=100, parity=PARITY, instructions=None, estimate=None
):
    timings = tuple(
        Session(
            (median_us * 1000 + number,) * runs,
            10**6,
            10**6,
            5_000_000,
            begin_s=1.0,
            end_s=2.0,
            over_time=((0.5, 100.0),),
            trend=(0.5, -0.1, 1.0),
            state=STATE,
            every_ns=np.full(10 * runs, median_us * 1000, np.int64),
        )
        for number in range(sessions)
    )
    source = "QEMU plugin" if instructions else None
    memory = 5_000_000 if sessions else None
    starts = STARTS if sessions else ()
    return Measured(
        name,
        timings,
        instructions,
        source,
        (LAYER,),
        parity,
        memory,
        starts=starts,
        packed_bytes=7,
        estimate=estimate,
    )


def built(folder: Path, run: RunResult, names=("dense", "deployed")):
    folder.mkdir(exist_ok=True)
    variants = []
    for name in names:
        file = folder / f"{name}.tflite"
        file.write_bytes(b"12345678")
        variants.append(Variant(name, file, b"", 0.9, False, expected=("conv1", "conv2")))
    model = ModelFile(Path("models/net.h5"), "a" * 64, "keras2-h5")
    accuracy = {"dense": Accuracy("top1", 0.91, 500)}
    recipe = {"prune": {"sparsity": 0.9, "pattern": "1x2"}, "shape": (1, 2)}
    return build_result(model, "rpi4", recipe, run, variants, accuracy, folder)


def build(folder: Path, run: RunResult, names=("dense", "deployed")):
    return document(built(folder, run, names))


def on_a_board(**deployed):
    runs = (measured("dense", median_us=300), measured("deployed", **deployed))
    return RunResult(DEVICE, False, runs, timed=TIMED, pinning=PINNING)


def emulated(dense=300, deployed=100):
    return RunResult(
        DEVICE,
        True,
        (
            measured("dense", sessions=0, instructions=dense, estimate=ESTIMATE),
            measured("deployed", sessions=0, instructions=deployed, estimate=NO_ESTIMATE),
        ),
    )
