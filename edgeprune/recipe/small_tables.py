"""The recipe's tables ``[rewrite]``, ``[sparsify]`` and ``[verify]``."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.recipe.faults import not_among, too_small

KERNELS = ("auto", "runtime", "edgeprune")
"""Values of the key ``kernels``."""


@dataclass(frozen=True)
class RewriteTable:
    """Table ``[rewrite]``.

    Attributes:
        enabled: Change the graph exactly, where its layers then run sparse and that is predicted to
            pay.
    """

    enabled: bool = True


@dataclass(frozen=True)
class SparsifyTable:
    """Table ``[sparsify]``.

    Attributes:
        encode: Store weights sparse where that is smaller and right.
        kernels: What runs int8 layers of which some 1x4 blocks are zero. ``runtime`` has dense
            kernels alone; ``edgeprune`` takes sparse ones of its own from two thirds of the blocks
            on; ``auto`` takes them where they are predicted to be faster on the board. A file with
            such layers runs where edgeprune's agent or its library for apps is, and one that runs
            everywhere is written beside it.
    """

    encode: bool = True
    kernels: str = "auto"


@dataclass(frozen=True)
class VerifyTable:
    """Table ``[verify]``.

    Attributes:
        samples: Inputs whose outputs are compared on the board; left out for 16, or for 4 where an
            emulator computes a network of over 100 million multiplications.
        score_apart: Score on those test samples alone that a search reports: all of them
            where validation samples choose, else a half. Recipes that a search wrote have it, so
            that their networks score again as they did there.
    """

    samples: int | None = None
    score_apart: bool = False


def verify_faults(table: VerifyTable) -> list[str]:
    """What is wrong with the table's values."""
    return [] if table.samples is None else too_small(table, {"samples": 1})


def sparsify_faults(table: SparsifyTable, mode: str) -> list[str]:
    """What is wrong with the table's values.

    Args:
        table: The table.
        mode: That of ``[quantize]``.
    """
    wrong = not_among(table, {"kernels": KERNELS})
    if table.kernels == "edgeprune" and mode not in ("int8", "none"):
        wrong.append(f'kernels = "edgeprune" runs int8 layers, and [quantize] mode is {mode!r}')
    return wrong
