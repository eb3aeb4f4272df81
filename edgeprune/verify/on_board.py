"""Outputs of a board, and the verdict on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from edgeprune.agents.interface import Interface
from edgeprune.agents.start import start_agent
from edgeprune.artifacts.arrays import Samples
from edgeprune.artifacts.measurement import Parity, RunResult
from edgeprune.devices.transports.base import CommandTransport
from edgeprune.errors import VerifyError
from edgeprune.progress import each
from edgeprune.verify.locate import Host, Infer, locate
from edgeprune.verify.parity import Comparison

LOAD_S = 600.0
"""How long loading a model may take; emulated, packing 100 M weights is slow."""


def board_outputs(
    transport: CommandTransport,
    agent: str,
    runtime: str,
    model: str,
    samples: Samples,
    processes: int = 1,
    expected: Interface | None = None,
) -> Samples:
    """Outputs of a file on a device.

    Args:
        transport: The open way to it.
        agent: Path of the agent there.
        runtime: Path of ``libLiteRt.so`` there.
        model: Path of the file there.
        samples: Inputs.
        processes: Agents that share the samples, where the device is this machine.
        expected: The file's inputs and outputs; a device that has others is refused.

    Raises:
        DeviceError: The device or the way to it failed.
    """

    def part(first: int) -> Samples:
        with start_agent(transport, agent) as session:
            session.load(runtime, model, expected=expected, timeout_s=LOAD_S)
            own = samples[first::processes]
            shown = own if first else each(own, "input on the board")  # one counts for all
            return [session.infer([sample])[0] for sample in shown]

    processes = max(1, min(processes, len(samples)))
    with ThreadPoolExecutor(processes) as pool:
        parts = list(pool.map(part, range(processes)))
    return [parts[k % processes][k // processes] for k in range(len(samples))]


def checked(comparison: Comparison, found: Samples, where: str, infer: Infer, host: Host) -> Parity:
    """The parity of outputs that are right.

    Args:
        comparison: What they must be.
        found: The board's outputs.
        where: What made them.
        infer: Runs another file on that board, to find the layer that is wrong.
        host: Runs it on the host, likewise.

    Raises:
        VerifyError: They are wrong; the message names the layer where they first differ.
    """
    result = _compared(comparison, found, where)
    if not result.passed:
        raise VerifyError(_difference(comparison, result, found, infer, host))
    return result


def _compared(comparison: Comparison, found: Samples, where: str) -> Parity:
    """The parity, passed or not.

    Raises:
        VerifyError: There is nothing to compare with.
    """
    if not all(np.isfinite(value).all() for row in comparison.expected for value in row):
        raise VerifyError(
            f"{comparison.name}: the reference on the host computes outputs that are no numbers "
            "(NaN or infinity), so that nothing can be compared: mend the model; nothing was "
            "written"
        )
    for k, (expected, got) in enumerate(zip(comparison.expected[0], found[0], strict=True)):
        if (expected.shape, expected.dtype) != (got.shape, got.dtype):
            raise VerifyError(
                f"{comparison.name}: output {k} is {got.dtype}{list(got.shape)} on {where}, and "
                f"{expected.dtype}{list(expected.shape)} on the host; nothing was written"
            )
    return comparison.parity(found, where)


def _difference(
    comparison: Comparison, result: Parity, found: Samples, infer: Infer, host: Host
) -> str:
    """What is wrong, with the layer where it begins."""
    return (
        f"{comparison.name}: outputs on {result.where} differ from the reference by "
        f"{result.max_abs_diff:.3g}, more than {result.limit:.3g}; "
        f"{locate(comparison, found, infer, host)}; nothing was written"
    )


def with_parity(
    found: RunResult,
    comparisons: Sequence[Comparison],
    outputs: dict[str, Samples],
    infer: Infer,
    host: Host,
) -> tuple[RunResult, str]:
    """Adds each variant's parity to what a device brought back.

    Args:
        found: The run.
        comparisons: What each variant's outputs must be.
        outputs: The device's outputs by variant.
        infer: Runs another file on that device.
        host: Runs a file on the host.

    Returns:
        The run, and what is wrong with a variant's outputs; empty if all are right.

    Raises:
        VerifyError: There is nothing to compare with, or outputs are no numbers.
    """
    where = f"{found.device.id}, {found.device.runtime_version}"
    wanted = {comparison.name: comparison for comparison in comparisons}
    measured, reasons, wrong = [], list(found.reasons), ""
    for item in found.measured:
        comparison = wanted[item.variant]
        if weakness := comparison.weakness():
            reasons.append(f"{item.variant}: {weakness}")
        result = _compared(comparison, outputs[item.variant], where)
        if not (result.passed or wrong):
            wrong = _difference(comparison, result, outputs[item.variant], infer, host)
            if not np.isfinite(result.max_abs_diff):  # no result can hold that
                raise VerifyError(wrong)
        measured.append(dataclasses.replace(item, parity=result))
    return dataclasses.replace(found, measured=tuple(measured), reasons=tuple(reasons)), wrong
