"""The outputs of one network, which several processes share."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from edgeprune.artifacts.arrays import Array, Samples

WORTH = 2.0
"""A process more helps with a network's outputs where the others would need so many times as long
for what is left as it takes to load the network. Source: ours."""


class SharedOutputs:
    """The outputs of one variant, which several processes share; each input is inferred once.

    Attributes:
        load_s: What the last process needed to load the network.
    """

    def __init__(self, samples: Samples) -> None:
        self.load_s = 0.0
        self._samples = samples
        self._left = list(range(len(samples)))[::-1]
        self._found: dict[int, list[Array]] = {}
        self._infer_s = 0.0
        self._lock = threading.Lock()

    @property
    def are_all(self) -> bool:
        """Whether those of every sample are there."""
        return len(self._found) == len(self._samples)

    def put_all(self, outputs: Samples) -> None:
        """Takes those of every sample, in order."""
        self._found = dict(enumerate(outputs))
        self._left = []

    def left(self) -> Iterator[tuple[int, list[Array]]]:
        """Takes one sample after the other, with its number, while there are any."""
        while True:
            with self._lock:
                if not self._left:
                    return
                k = self._left.pop()
            yield k, self._samples[k]

    def put(self, k: int, found: list[Array], took_s: float) -> None:
        """Takes a sample's outputs, and the seconds that they took."""
        with self._lock:
            self._found[k] = found
            # The first one of a process prepares the network: the quickest tells what others take.
            self._infer_s = min(took_s, self._infer_s or took_s)

    def need_help(self) -> bool:
        """Whether a process more would soon have paid; with a first one that began long ago."""
        with self._lock:
            return len(self._left) * self._infer_s > WORTH * self.load_s

    def in_order(self) -> Samples:
        """All outputs, as the samples are in order."""
        return [self._found[k] for k in range(len(self._samples))]
