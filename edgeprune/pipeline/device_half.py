"""The device half of edgeprune: verify -> push -> run."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

from edgeprune import verify
from edgeprune.agents import runtime
from edgeprune.agents.interface import interface_of
from edgeprune.artifacts import Samples
from edgeprune.bench import EnergyPlan
from edgeprune.errors import DeviceError
from edgeprune.pipeline.host_half import Compressed
from edgeprune.pipeline.jobs import host_outputs, host_outputs_with_rounding
from edgeprune.progress import Progress
from edgeprune.run_artifacts import RunResult, Variant
from edgeprune.transports.base import Transport


def measure(
    transport: Transport,
    agent: Path,
    library: runtime.RuntimeLibrary,
    done: Compressed,
    variants: list[Variant],
    progress: Progress,
    energy: EnergyPlan | None = None,
) -> tuple[RunResult, str]:
    """The device half: verify, push, run.

    Returns:
        What was measured, and what is wrong with a variant's outputs; empty if all are right.

    Raises:
        DeviceError: The device or the way to it failed.
        VerifyError: The reference computes no numbers, so that nothing can be compared.
    """
    from edgeprune.push.packed import push_models
    from edgeprune.push.programs import push_programs
    from edgeprune.run import Pushed, run

    measured = {variant.name: variant for variant in variants if variant.measured}
    xnnpack = transport.board.runtime.has_xnnpack
    with progress.stage("verify"):
        wanted = {
            name: comparison_of(name, variant.file.read_bytes(), variant.reference, done, xnnpack)
            for name, variant in measured.items()
        }
    with progress.stage("push"):
        agent_path, runtime_path = push_programs(transport, agent, library.path)
        files = [variant.file for variant in measured.values()]
        models = push_models(transport, agent_path, files, progress.say)
    with progress.stage("run"):
        pushed = Pushed(
            agent=agent_path,
            runtime=runtime_path,
            runtime_version=library.label,
            models={name: item.path for name, item in zip(measured, models, strict=True)},
            cpus=transport.device.cpus,
            packed_bytes={
                name: item.packed_bytes
                for name, item in zip(measured, models, strict=True)
                if item.packed_bytes is not None
            },
        )
        samples = {name: comparison.samples for name, comparison in wanted.items()}
        originals = {name: comparison.file for name, comparison in wanted.items()}
        found, outputs = run(
            transport, pushed, done.recipe.run, samples, originals, progress.say, energy
        )

    def infer(tflite: bytes, inputs: Samples) -> Samples:
        return infer_once(transport, pushed.agent, pushed.runtime, tflite, inputs)

    with progress.stage("verify"):
        return verify.with_parity(found, list(wanted.values()), outputs, infer, host_outputs)


def comparison_of(
    name: str, tflite: bytes, reference: bytes, done: Compressed, xnnpack: bool = True
) -> verify.Comparison:
    """What a variant's outputs must be; ``xnnpack``: whether the board runs XNNPACK."""
    samples = verify.sample_inputs(reference, done.test_inputs, done.recipe.verify.samples)
    host = host_outputs_with_rounding(reference, samples, xnnpack)
    return verify.Comparison(name, tflite, reference, samples, host.outputs, host.rounding, xnnpack)


def infer_once(
    transport: Transport, agent: str, library: str, tflite: bytes, inputs: Samples
) -> Samples:
    """Outputs of a file that is on the device for this alone."""
    from edgeprune.push import push

    with tempfile.TemporaryDirectory(prefix="edgeprune-") as folder:
        file = Path(folder) / "probe.tflite"
        file.write_bytes(tflite)
        path = push(transport, [file])[0].path
        try:
            expected = interface_of(tflite)
            return verify.board_outputs(transport, agent, library, path, inputs, expected=expected)
        finally:
            if not transport.shares_files:  # else it lies in the folder that goes
                remove = 'rm -f "$1"; rmdir "${1%/*}"'
                with suppress(DeviceError):  # it would hide what went wrong
                    transport.run(["sh", "-c", remove, "sh", path], timeout_s=30.0)
