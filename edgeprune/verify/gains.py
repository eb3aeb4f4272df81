"""Whether what earlier stages won is still there: zeros, few distinct values, blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.clustered import ClusteredTensor
from edgeprune.errors import VerifyError
from edgeprune.prediction.xnnpack.spmm import analyse
from edgeprune.verify.filters import Filter, filters_of, paired

MAX_CODEBOOK = 256
"""Most distinct values that count as a codebook: what 8 bits tell apart. Source: ours."""


@dataclass(frozen=True)
class Gain:
    """What one weight tensor has won.

    Attributes:
        name: As in :class:`edgeprune.verify.filters.Filter`.
        weights: Number of weights.
        zeros: How many of them are zero.
        distinct: Distinct values beside zero.
        channel_distinct: The same in the output channel that has most of them.
        block: Output channels that XNNPACK's sparse kernel takes at once; 1 for what it does not
            run, and for weights of which less than half are zero.
    """

    name: str
    weights: int
    zeros: int
    distinct: int
    channel_distinct: int
    block: int


class Counted(Protocol):
    """A weight tensor of the model before conversion."""

    @property
    def name(self) -> str:
        """Layer path and weight name."""

    @property
    def weights(self) -> int:
        """Number of weights."""

    @property
    def zeros(self) -> int:
        """How many of them are zero."""


def gains_of(tflite: bytes) -> list[Gain]:
    """What each weight tensor of a file has won, in graph order.

    Raises:
        ModelError: The file is damaged.
    """
    return [_gain(one) for one in filters_of(tflite)]


def check_kept(
    stage: str, before: bytes, after: bytes, *, blocks: bool = True, codebooks: bool = True
) -> tuple[str, ...]:
    """Compares the weights in a stage's file with those in the one that it was given.

    Tensors that a stage splits or adds are compared by their sums.

    Args:
        stage: Its name, for the message.
        before: The TFLite file that it was given.
        after: The one that it made.
        blocks: Compare blocks. Integer layers have no sparse kernels, so theirs mean nothing.
        codebooks: Compare codebooks. Where nothing was clustered, weights that are alike (those of
            a box filter) are no gain, and a rewrite may scale their inputs.

    Returns:
        Lines on codebooks that became one per output channel.

    Raises:
        ModelError: A file is damaged.
        VerifyError: A tensor has fewer zeros, more distinct values in a channel than its codebook
            held, or smaller blocks.
    """
    if before == after:
        return ()
    files = [gains_of(before), gains_of(after)]
    keys = [[(one.name, one.weights) for one in file] for file in files]
    pairs, left, new = paired(files[0], files[1], keys)
    for old, now in pairs:
        _compare(stage, old, now, blocks=blocks, codebooks=codebooks)
    zeros = [sum(one.zeros for one in side) for side in (left, new)]
    if zeros[1] < zeros[0]:
        names = ", ".join(repr(one.name) for one in left)
        raise VerifyError(_lost(stage, names, "zeros", *zeros))
    return tuple(
        f"{stage}: {now.name} had a codebook of {old.distinct} values, and has one per output "
        f"channel of {now.channel_distinct} at most"
        for old, now in pairs
        if codebooks
        and now.distinct > max(old.distinct, now.channel_distinct)
        and old.distinct <= MAX_CODEBOOK
        and old.distinct == old.channel_distinct
    )


def check_counts(stage: str, before: Sequence[Counted], after: Sequence[Counted]) -> None:
    """Compares the zeros of weight tensors that have the same names.

    Raises:
        VerifyError: One has fewer than before.
    """
    known = {one.name: one for one in before}
    for now in after:
        old = known.get(now.name)
        if old is not None and now.zeros < old.zeros:
            raise VerifyError(_lost(stage, repr(now.name), "zeros", old.zeros, now.zeros))


def check_converted(
    stage: str,
    pruned: Sequence[Counted],
    clustered: Sequence[ClusteredTensor],
    tflite: bytes,
) -> None:
    """Compares a converted file with the Keras model's own tensors.

    Names and order do not survive conversion. Among tensors of one size the i-th most zeros of the
    file must therefore reach the i-th most of the model, and codebooks likewise; batch
    normalization that the converter folds scales whole channels, so a codebook counts per channel.
    Tensors of a size that no layer of the file has are stored for another operator: left out.

    Raises:
        ModelError: The file is damaged.
        VerifyError: There are fewer zeros, or more distinct values.
    """
    after = gains_of(tflite)
    for size in {one.weights for one in after}:
        stored = [one for one in after if one.weights == size]
        wanted = sorted((t for t in pruned if t.weights == size), key=lambda t: -t.zeros)
        zeros = sorted((one.zeros for one in stored), reverse=True)
        for tensor, found in zip(wanted, zeros, strict=False):
            if found < tensor.zeros:
                raise VerifyError(_lost(stage, repr(tensor.name), "zeros", tensor.zeros, found))
        codebooks = sorted((t for t in clustered if t.weights == size), key=lambda t: t.distinct)
        counts = sorted(one.channel_distinct for one in stored)
        for codebook, found in zip(codebooks, counts, strict=False):
            if found > codebook.distinct:
                what = "distinct values"
                raise VerifyError(_lost(stage, repr(codebook.name), what, codebook.distinct, found))


def _gain(one: Filter) -> Gain:
    stored = one.stored
    zeros = stored.size - int(np.count_nonzero(stored))
    rows = np.moveaxis(stored, one.channel_axis, 0).reshape(stored.shape[one.channel_axis], -1)
    is_pointwise = one.op == "FULLY_CONNECTED" or (
        one.op == "CONV_2D" and stored.shape[1:3] == (1, 1)
    )
    is_sparse = is_pointwise and 2 * zeros >= stored.size
    return Gain(
        one.name,
        stored.size,
        zeros,
        _distinct(stored),
        max(_distinct(row) for row in rows),
        analyse(rows).block if is_sparse else 1,
    )


def _distinct(values: Array) -> int:
    found = np.unique(values)
    return int(np.count_nonzero(found))


def _compare(stage: str, old: Gain, now: Gain, *, blocks: bool, codebooks: bool) -> None:
    name = repr(now.name)
    if now.zeros < old.zeros:
        raise VerifyError(_lost(stage, name, "zeros", old.zeros, now.zeros))
    is_lost = old.distinct <= MAX_CODEBOOK and old.channel_distinct < now.channel_distinct
    if codebooks and is_lost:
        had, has = old.channel_distinct, now.channel_distinct
        raise VerifyError(_lost(stage, name, "distinct values in a channel", had, has))
    if blocks and now.block < old.block:
        raise VerifyError(_lost(stage, name, "channels a block", old.block, now.block))


def _lost(stage: str, name: str, what: str, before: int, after: int) -> str:
    return (
        f"the stage {stage} lost what was won before: {name} had {before} {what} and has {after}; "
        "nothing was written; leave that stage out in the recipe"
    )
