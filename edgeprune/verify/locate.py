"""Which layer is the first to be wrong on a board, found by cutting the graph.

The whole graph runs each time, with one inner value more among its outputs, so that the runtime
takes the same decisions as before. That is checked: where the old outputs are no longer the same
wrong ones, reading the value out has removed the fault or moved it, and says nothing about it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from edgeprune.artifacts.arrays import Array, Samples
from edgeprune.errors import DeviceError, DeviceTimeout, ModelError
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.layer_names import short_name
from edgeprune.verify.parity import Comparison, is_right, limit_of, real_values
from edgeprune.verify.probes import DIRECT, MEAN, can_be_read, computed_values, read_out
from edgeprune.verify.search import Found, first_wrong

Infer: TypeAlias = Callable[[bytes, Samples], Samples]
"""Runs a file on the board: its bytes and inputs to its outputs."""

Host: TypeAlias = Callable[[bytes, Samples, bool], Samples]
"""The host's trusted kernels: a file's bytes, inputs, and whether the board runs XNNPACK."""

RUNS = 40
"""Most runs of the board in one search: two for each of 20 halvings, and so for any graph."""

SAME = 0.01
"""Outputs are the same wrong ones if they differ by no more than this share of what passes.

Source: ours, tests/verify/test_locate.py on the emulated Cortex-A72: a fault that stayed left all
bits of the outputs alone, one that moved changed them by about 0.01 of their largest value or more.
"""

LONGEST_S = 300.0
"""A search that takes longer stops with what it knows."""


def locate(comparison: Comparison, found: Samples, infer: Infer, host: Host) -> str:
    """Says in one sentence which layer is the first to be wrong, as far as that can be told.

    Args:
        comparison: What was compared.
        found: The board's outputs, which differ from what was expected.
        infer: Runs a file on that board.
        host: Runs a file on the host.
    """
    worst = _worst_sample(comparison, found)
    one = comparison.only(worst)
    try:
        search = _Search(one, found[worst], infer, host)
        return search.on_board() if search.host_is_right else search.on_host()
    except ModelError as error:
        return f"which layer is wrong could not be found out: {error}"


def _worst_sample(comparison: Comparison, found: Samples) -> int:
    """The sample that differs most, for one shows what is wrong as well as all do."""
    gaps = []
    for k, row in enumerate(found):
        checked = comparison.only(k).parity([row])
        share = checked.max_abs_diff / checked.limit if checked.limit else checked.max_abs_diff
        gaps.append((not checked.passed, share))
    return max(range(len(gaps)), key=lambda k: gaps[k])


class _Search:
    """One sample, one file, and what the host computes inside it."""

    def __init__(self, one: Comparison, found: list[Array], infer: Infer, host: Host) -> None:
        self.one, self.found, self.infer, self.host = one, found, infer, host
        self.model = graph.view(one.file)
        self.outputs = graph.io_tensors(self.model)[1]
        self.inside, own = self._inside(one.file)
        self.host_is_right = one.parity([own]).passed
        tensors = self.model.subgraphs[0].tensors
        self.known = {
            index: not is_right(value, right, tensors[index])
            for index, value, right in zip(self.outputs, found, one.expected[0], strict=True)
        }
        self.wrong = next(index for index, is_wrong in self.known.items() if is_wrong)
        self.runs = 0
        self.began_s = time.monotonic()
        self.is_lost = False
        self.disturbing: list[int] = []

    def _inside(self, tflite: bytes) -> tuple[dict[int, Array], list[Array]]:
        """What the host computes for every value of a file, and for its outputs."""
        model = graph.view(tflite)
        outputs = graph.io_tensors(model)[1]
        values = [
            value
            for value in computed_values(model)
            if value not in outputs and can_be_read(model, value, DIRECT)
        ]
        samples, xnnpack = self.one.samples, self.one.xnnpack
        row = self.host(read_out(tflite, values), samples, xnnpack)[0]
        return dict(zip([*outputs, *values], row, strict=True)), row[: len(outputs)]

    def on_board(self) -> str:
        """Searches with the board's kernels as the suspects."""
        found = first_wrong(self.model, self.wrong, self._judge, self._may_run)
        says = f"outputs first differ at {self._layer(found.wrong)}"
        if found.suspects:
            says += f", or before it at {self._list(found.suspects)}, which could not be judged"
            if not self._may_run():
                says += f": the search ended after {self.runs} runs"
        read = self._reads(found)
        if disturbing := tuple(value for value in self.disturbing if value in read):
            says += f"; reading out {self._list(disturbing)} removes or moves the fault"
        return says

    def on_host(self) -> str:
        """Searches with the file's own weights as the suspects."""
        model = graph.view(self.one.reference)
        names = [graph.tensor_name(tensor) for tensor in model.subgraphs[0].tensors]
        inside = self._inside(self.one.reference)[0]
        right = {names[index]: value for index, value in inside.items() if names[index]}

        def judge(value: int) -> bool | None:
            tensor = self.model.subgraphs[0].tensors[value]
            trusted = right.get(graph.tensor_name(tensor))
            if trusted is None or value not in self.inside:
                return None
            return not is_right(self.inside[value], trusted, tensor)

        found = first_wrong(self.model, self.wrong, judge, lambda: True)
        return (
            "the host computes wrong outputs from this file too, so that it is the file that is "
            f"wrong: outputs first differ at {self._layer(found.wrong)}"
        )

    def _may_run(self) -> bool:
        is_late = time.monotonic() - self.began_s > LONGEST_S
        return not (self.is_lost or is_late) and self.runs + 2 <= RUNS

    def _judge(self, value: int) -> bool | None:
        """Whether the board computes ``value`` wrong; None where reading it disturbs the fault."""
        if value in self.known:
            return self.known[value]
        if value not in self.inside:
            return None
        tensor, trusted = self.model.subgraphs[0].tensors[value], self.inside[value]
        for way in (DIRECT, MEAN):
            if not can_be_read(self.model, value, way):
                continue
            row = self._run(read_out(self.one.file, [value], way))
            if row is None:
                continue
            if not self._is_same_fault(row[:-1]):
                self.disturbing.append(value)
                continue
            if way == MEAN:
                trusted = trusted.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
            return not is_right(row[-1], trusted, tensor)
        return None

    def _is_same_fault(self, outputs: list[Array]) -> bool:
        """Whether outputs are the wrong ones that the board computed at first."""
        tensors = self.model.subgraphs[0].tensors
        for k, index in enumerate(self.outputs):
            now, then, right = (
                real_values(row[k], tensors[index])
                for row in (outputs, self.found, self.one.expected[0])
            )
            limit = SAME * limit_of(right, tensors[index])
            if not np.isclose(now, then, rtol=0.0, atol=limit, equal_nan=True).all():
                return False
        return True

    def _run(self, tflite: bytes) -> list[Array] | None:
        """The board's outputs; None if it cannot run the file, or not in time."""
        self.runs += 1
        try:
            return self.infer(tflite, self.one.samples)[0]
        except DeviceTimeout:
            self.is_lost = True
        except DeviceError:
            pass  # a runtime may refuse a graph with such an output
        return None

    def _reads(self, found: Found) -> set[int]:
        """What the wrong layer reads."""
        maker = graph.producers(self.model.subgraphs[0])[found.wrong]
        return {int(index) for index in maker.inputs}

    def _layer(self, value: int) -> str:
        subgraph = self.model.subgraphs[0]
        op = graph.op_name(self.model, graph.producers(subgraph)[value])
        return f"{short_name(graph.tensor_name(subgraph.tensors[value]))} ({op})"

    def _list(self, values: tuple[int, ...]) -> str:
        shown = [self._layer(value) for value in values[-3:]]
        more = len(values) - len(shown)
        return ", ".join(shown) + (f" and {more} more" if more else "")
