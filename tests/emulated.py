"""Runs files on the emulated Raspberry Pi 4, for tests that need an Arm core's kernels."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np

from edgeprune import verify
from edgeprune.agents import build, runtime
from edgeprune.agents.start import start_agent
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import TRANSPORTS, command_transport
from edgeprune.files import paths
from edgeprune.measure.core_work import Counting
from edgeprune.measure.layers import layer_timings

SHIPPED = paths.shipped("boards")
BOARD = "rpi4-emulated"


def library(version=None, board=None):
    """Path of the board's runtime; another release's with ``version``."""
    board = load_board(board or BOARD)
    return str(runtime.library(board.cpu.isa, version or board.runtime.version).path)


@contextmanager
def agent(*, count_instructions=False, board=None):
    """An agent on the emulated board, without a model."""
    board = load_board(board or BOARD)
    program = build.agent(board.agent.target)
    with (
        TRANSPORTS.get("qemu")(board, Device(board.name, board.name)) as transport,
        start_agent(transport, str(program), count_instructions=count_instructions) as session,
    ):
        yield session


@contextmanager
def loaded(tflite, folder, *, profile=False, count_instructions=False):
    """An agent on the emulated board with ``tflite`` loaded."""
    file = folder / "model.tflite"
    file.write_bytes(tflite)
    with agent(count_instructions=count_instructions) as session:
        session.load(library(), str(file), profile=profile)
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
    return difference(outputs(tflite, folder, samples), expected)


def difference(found, expected):
    """Largest difference over all outputs, each as a share of its own largest value.

    Not finite where ``found`` is not.
    """
    worst = 0.0
    for k in range(len(expected[0])):
        right = np.stack([np.asarray(sample[k], np.float64) for sample in expected])
        ours = np.stack([np.asarray(sample[k], np.float64) for sample in found])
        gap = np.abs(ours - right).max(initial=0.0)
        largest = np.abs(right).max(initial=0.0)
        worst = max(worst, float(gap / max(largest, 1e-30))) if np.isfinite(gap) else np.inf
    return worst


@contextmanager
def counting(tflite, folder, caches):
    """How the work of a file is counted there, with these caches simulated."""
    file = folder / "counted.tflite"
    file.write_bytes(tflite)
    board = load_board(BOARD)
    program = str(build.agent(board.agent.target))
    with command_transport(board, Device(board.name, board.name)) as transport:
        yield Counting(
            lambda wanted: start_agent(transport, program, work=wanted),
            lambda agent, path, profile: agent.load(library(), path, profile=profile),
            file,
            caches,
            120.0,
        )
