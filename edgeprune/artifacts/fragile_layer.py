"""A layer that loses much where a network computes on integers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FragileLayer:
    """One layer, as the report names it.

    Attributes:
        layer: Its name, as ``[quantize] layers`` takes it.
        op: Its operator, as ``CONV_2D``.
        lost: Share of its own signal that is lost, in [0, 1], as a mean over its channels.
        brings_back: By how much less the network loses where the layers of ``kept`` stay in float,
            as a share; None where that was not tried.
        kept: The layer, and those that read it where its output must not be rounded.
    """

    layer: str
    op: str
    lost: float
    brings_back: float | None
    kept: tuple[str, ...]
