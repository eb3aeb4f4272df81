"""Runs files on the emulated Raspberry Pi 4, for tests that need an Arm core's kernels."""

from __future__ import annotations

from contextlib import contextmanager

from edgeprune import paths, verify
from edgeprune.agents import build, runtime
from edgeprune.agents.session import start_agent
from edgeprune.bench import Device
from edgeprune.board import load_board
from edgeprune.run.layers import layer_timings
from edgeprune.transports.base import TRANSPORTS

SHIPPED = paths.shipped("boards")


@contextmanager
def loaded(tflite, folder, *, profile=False, count_instructions=False):
    """An agent on the emulated board with ``tflite`` loaded."""
    board = load_board("rpi4-emulated")
    agent = build.agent(board.agent.target)
    library = runtime.library(board.cpu.isa, board.runtime.version)
    file = folder / "model.tflite"
    file.write_bytes(tflite)
    with (
        TRANSPORTS.get("qemu")(board, Device(board.name, board.name)) as transport,
        start_agent(transport, str(agent), count_instructions=count_instructions) as session,
    ):
        session.load(str(library.path), str(file), profile=profile)
        yield session


def kernels(tflite, folder):
    """Kernels of one inference."""
    with loaded(tflite, folder, profile=True) as session:
        return layer_timings(session.profile(), tflite, emulated=True)


def outputs(tflite, folder, samples):
    """Outputs for ``samples``."""
    with loaded(tflite, folder) as session:
        return session.infer(samples)


def relative_error(tflite, folder, count=4):
    """Largest difference to the host's reference kernels, as a share of the largest output."""
    samples = verify.sample_inputs(tflite, None, count)
    expected = verify.reference_outputs(tflite, samples)
    found = outputs(tflite, folder, samples)
    largest = max(abs(e[0]).max() for e in expected)
    return float(
        max(abs(f[0] - e[0]).max() for f, e in zip(found, expected, strict=True)) / largest
    )
