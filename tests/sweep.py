"""Compares what ``explain`` says of a graph with what the emulated board does."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from dataclasses import dataclass

import emulated
from random_nets import all_sparse

from edgeprune import verify
from edgeprune.devices.boards import Cpu
from edgeprune.errors import DeviceError
from edgeprune.models.tflite import edit, graph
from edgeprune.prediction import explain
from edgeprune.prediction.cost import cost_table
from edgeprune.prediction.xnnpack.partitions import partitions
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.rewrite import apply_passes
from edgeprune.sparsify import sparsify

A72 = Cpu("cortex-a72", "aarch64", ())
WEIGHT_OPS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
KERNELS = ("Convolution (", "Fully Connected")

LIMIT = 1e-3
"""Largest difference to the host's reference kernels, as a share of the largest output."""


@dataclass
class Found:
    """One file on the board.

    Attributes:
        error: Largest difference to the reference, relative; infinite for a crash or NaN.
        sparse: Layers that ran a sparse kernel, by the names of their outputs.
        predicted: Layers that explain named sparse.
        wrong: Layers that explain called wrong.
        trouble: What the runtime said where it did not run the file; empty where it did.
    """

    error: float
    sparse: tuple[str, ...]
    predicted: tuple[str, ...]
    wrong: tuple[str, ...]
    trouble: str = ""

    @property
    def is_wrong(self) -> bool:
        return not self.error <= LIMIT

    @property
    def undetected(self) -> bool:
        """Wrong on the board, and explain says nothing."""
        return self.is_wrong and not self.wrong

    @property
    def mismatch(self) -> bool:
        """Other layers ran sparse than explain said."""
        return not self.trouble and sorted(self.sparse) != sorted(self.predicted)


@dataclass
class Verdict:
    """One graph on one release.

    Attributes:
        raw: With every filter stored sparse.
        emitted: As sparsify stores it.
        rewritten: The same after every pass of the rewrite stage, whether or not it pays; None
            where the stage would refuse.
        dense: With every filter stored dense; only where one of the others is wrong.
    """

    raw: Found
    emitted: Found
    rewritten: Found | None = None
    dense: Found | None = None

    @property
    def ours(self) -> list[tuple[str, Found]]:
        """What edgeprune would deploy."""
        found = [("emitted", self.emitted), ("rewritten", self.rewritten)]
        return [(name, one) for name, one in found if one is not None]

    @property
    def blames_sparsity(self) -> bool:
        """Whether what is wrong is right with dense weights."""
        return self.dense is not None and not self.dense.is_wrong

    def failures(self) -> list[str]:
        """Each way in which explain or sparsify failed; empty if neither did."""
        found = []
        if self.raw.undetected and self.blames_sparsity:
            found.append(f"raw is wrong ({self.raw.error:.2g}), undetected: {self.raw.trouble}")
        for name, one in self.ours:
            if one.is_wrong and self.blames_sparsity:
                found.append(f"{name} is wrong ({one.error:.2g}): {one.trouble}")
        for name, one in (("raw", self.raw), *self.ours):
            if one.mismatch:
                found.append(f"{name}: {one.sparse} ran sparse, not {one.predicted}")
        return found


class Board:
    """The emulated board with one release of the runtime; agents are replaced as they die."""

    def __init__(self, release, version, folder):
        self.release, self.library, self.folder = release, emulated.library(version), folder
        self.count = 0
        self.context = self.agent = None

    def close(self):
        if self.context is not None:
            self.context.__exit__(None, None, None)
        self.context = self.agent = None

    def run(self, tflite, samples, expected):
        """Runs one file, and compares."""
        self.count += 1
        path = self.folder / f"{self.release}-{self.count % 2}.tflite"
        path.write_bytes(tflite)
        plan = explain(tflite, A72, release=self.release)
        try:
            if self.agent is None:
                self.context = emulated.agent()
                self.agent = self.context.__enter__()
            self.agent.load(self.library, str(path), profile=True, timeout_s=60)
            outputs = self.agent.infer(samples, timeout_s=60)
            profile = self.agent.profile(timeout_s=60)
        except DeviceError as error:
            self.close()
            return Found(float("inf"), (), plan.sparse, plan.wrong, str(error)[-300:])
        found = sparse_layers(profile, tflite, self.release)
        return Found(emulated.difference(outputs, expected), found, plan.sparse, plan.wrong)


@contextmanager
def board(release, version, folder):
    """An emulated board with one release."""
    made = Board(release, version, folder)
    try:
        yield made
    finally:
        made.close()


def sparse_layers(profile, tflite, release):
    """Names of the layers that ran sparse, matched in the order in which partitions run."""
    tags = [
        event.tag
        for event in profile.events[0]
        if event.source == 2 and event.tag.startswith(KERNELS)
    ]
    model = graph.read(tflite)
    reader = Reader(model, model.subgraphs[0], release)
    names = [
        reader.name(int(op.outputs[0]))
        for ops in partitions(reader)
        for op in ops
        if graph.op_name(model, op) in WEIGHT_OPS
    ]
    if len(names) != len(tags):
        return (f"{len(tags)} kernels for {len(names)} layers", *tags)
    return tuple(n for n, tag in zip(names, tags, strict=True) if tag.endswith("SPMM"))


def priced(table):
    """The table with dense matrix products at a hundred times their cost.

    Every cluster that can be made is then worth its gates.
    """
    dear = {
        kernel: {loop: 100 * count for loop, count in loops.items()}
        if kernel.split(".")[0] in ("gemm", "igemm")
        else loops
        for kernel, loops in table.kernels.items()
    }
    return dataclasses.replace(table, kernels=dear)


def rewritten(dense):
    """The graph after every pass, encoded; None where nothing runs sparse or explain objects."""
    model = graph.read(dense)
    apply_passes(model, A72, priced(cost_table(A72)))
    plan = explain(model, A72, assume_hint=True)
    if plan.wrong or not plan.sparse:
        return None
    edit.compact(model)
    return sparsify(graph.write(model), A72).tflite


def check(dense, boards, seed=0):
    """Runs one graph on every board; returns each release's :class:`Verdict`.

    What sparsify leaves as it is need not run: a file without a sparse tensor cannot suffer.
    """
    samples = verify.sample_inputs(dense, None, 2, seed)
    expected = verify.reference_outputs(dense, samples)
    raw, emitted, other = all_sparse(dense), sparsify(dense, A72).tflite, rewritten(dense)
    found = {}
    for one in boards:
        stays = emitted == dense
        verdict = Verdict(
            one.run(raw, samples, expected),
            Found(0.0, (), (), ()) if stays else one.run(emitted, samples, expected),
            None if other is None else one.run(other, samples, expected),
        )
        if any(part.is_wrong for part in (verdict.raw, *(one for _, one in verdict.ours))):
            verdict.dense = one.run(dense, samples, expected)
        found[one.release] = verdict
    return found
