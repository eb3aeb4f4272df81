"""Collects a dataset of the user's own into arrays, if it ever ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.data.memory import check_fits, limit_bytes, size
from edgeprune.data.patience import Late, each_within
from edgeprune.errors import ModelError

ELEMENT_S = 120.0
"""How long one element may take: a buffer for shuffling may have to be filled first. Ours."""

UNKNOWN_S = 120.0
"""How long a dataset may run that does not say how many elements it has. Source: ours."""

MAX_ELEMENTS = 5_000_000
"""Elements of one that does not say. Source: ours; ImageNet has 1.3 million images."""

_ROUNDS, _ROUNDS_ELEMENTS = 10, 200
"""Elements that came in the same order so often, and so many of them, will come for ever."""

REPEATS_S, _SHUFFLED_ROUNDS = 3.0, 20
"""After so many seconds elements that came so often each will come for ever. Source: ours."""

_FLOAT32_BYTES = 4
_SAY_S = 2.0
_INFINITE, _UNKNOWN = -1, -2
"""Source: ``tf.data.INFINITE_CARDINALITY`` and ``UNKNOWN_CARDINALITY``."""

_NO_PAIRS = "gives no (input, label) pairs"


def collected(
    spec: str,
    dataset: Any,
    part: str,
    shape: tuple[int, ...],
    say: Callable[[str], None] = lambda line: None,
    most: int | None = None,
) -> dict[str, Array]:
    """All elements of a dataset end to end, as ``x_PART`` and ``y_PART``.

    Targets for several outputs, a dictionary or a tuple, become ``y_PART/NAME`` each, with the
    place in the tuple for a name.

    Args:
        spec: Where the dataset comes from, for messages.
        dataset: A ``tf.data.Dataset``, another iterable of inputs or of pairs, a sequence with
            ``__len__`` and ``__getitem__``, or a pair of whole arrays.
        part: ``train`` or ``test``.
        shape: Of one input: it tells batches from single samples.
        say: Told how far collecting is.
        most: Stop after so many samples; None takes all.

    Raises:
        ModelError: The dataset has no end, gives nothing for a long time, holds more than fits
            into memory, or no pairs.
    """
    if is_whole(dataset):
        whole = {f"x_{part}": _only_input(dataset[0]), **_targets(dataset[1], part)}
        return {name: np.asarray(array) for name, array in whole.items()}
    parts_of: dict[str, list[Array]] = {}
    watch = _Watch(spec, part, _cardinality(spec, dataset, part), say)
    try:
        for element in each_within(ELEMENT_S, lambda: _iterated(dataset)):
            arrays = _named(element, part, shape)
            if parts_of.keys() not in (set(), arrays.keys()):
                raise ValueError("elements are not all of one form")
            for name, array in arrays.items():
                parts_of.setdefault(name, []).append(array)
            watch.see(arrays)
            if most is not None and sum(map(len, parts_of[f"x_{part}"])) >= most:
                break
        if not parts_of:
            raise ValueError("it is empty")
        return {name: np.concatenate(parts) for name, parts in parts_of.items()}
    except Late as error:
        raise ModelError(
            f"{spec}: {part} has given no element for {ELEMENT_S:g} s, after {watch.elements:,}"
        ) from error
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{spec}: {part} {_NO_PAIRS}: {reason}") from error


def is_whole(dataset: Any) -> bool:
    """Whether it is a pair of whole arrays, as ``keras.datasets`` gives them.

    The second may be one for each of several outputs.
    """
    if not isinstance(dataset, (tuple, list)) or len(dataset) != 2:
        return False
    x, y = dataset
    x = next(iter(x.values())) if isinstance(x, Mapping) and len(x) == 1 else x
    several = y.values() if isinstance(y, Mapping) else y if isinstance(y, (tuple, list)) else [y]
    return _is_array(x) and len(several) > 0 and all(map(_is_array, several))


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim > 0


def _iterated(dataset: Any) -> Iterator[Any]:
    if not hasattr(dataset, "__iter__") and hasattr(dataset, "__len__"):
        return (dataset[k] for k in range(len(dataset)))  # Keras's PyDataset
    return iter(dataset)


def _cardinality(spec: str, dataset: Any, part: str) -> int:
    """How many elements a dataset says that it has.

    Raises:
        ModelError: It says that it has no end.
    """
    if not callable(getattr(dataset, "cardinality", None)):
        return len(dataset) if hasattr(dataset, "__len__") else _UNKNOWN
    count = int(dataset.cardinality())
    if count == _INFINITE:
        raise ModelError(
            f"{spec}: {part} never ends (its cardinality is infinite): leave out repeat(); each "
            "epoch begins it anew"
        )
    return count


class _Watch:
    """Sees whether a dataset will end, and fit into memory."""

    def __init__(self, spec: str, part: str, count: int, say: Callable[[str], None]) -> None:
        self.elements = 0
        self._spec, self._part, self._count, self._say = spec, part, count, say
        self._bytes = 0
        self._limit = limit_bytes()
        self._since_s = self._said_s = time.monotonic()
        self._hashes: list[int] = []
        self._distinct: set[int] = set()
        self._period = 0
        self._same = 0

    def see(self, arrays: Mapping[str, Array]) -> None:
        """Counts one element.

        Raises:
            ModelError: It is one too many.
        """
        self.elements += 1
        self._bytes += sum(one.size * max(_FLOAT32_BYTES, one.itemsize) for one in arrays.values())
        if self.elements == 1 and self._count > 0:
            check_fits(
                self._spec, f"{self._count:,} elements of {self._part}", self._bytes * self._count
            )
        now_s = time.monotonic()
        if now_s - self._said_s > _SAY_S:
            self._said_s = now_s
            self._say(f"{self._part}: {self.elements:,} elements, {size(self._bytes)}")
        if self._bytes > self._limit:
            self._refuse(f"data may take {size(self._limit)} here, half of the free memory")
        if self._count < 0:
            self._see_unknown(arrays, now_s - self._since_s)

    def _see_unknown(self, arrays: Mapping[str, Array], took_s: float) -> None:
        if took_s > UNKNOWN_S:
            self._refuse(f"{UNKNOWN_S:g} s is the limit")
        if self.elements > MAX_ELEMENTS:
            self._refuse(f"{MAX_ELEMENTS:,} is the limit")
        if self._repeats(arrays):
            self._refuse(f"the same {self._period:,} come again and again")
        if took_s > REPEATS_S and len(self._hashes) > _SHUFFLED_ROUNDS * len(self._distinct):
            self._refuse(f"the same {len(self._distinct):,} come again and again")

    def _repeats(self, arrays: Mapping[str, Array]) -> bool:
        """Whether all elements so far are the first few over and over."""
        self._hashes.append(hash(tuple(one.tobytes() for one in arrays.values())))
        self._distinct.add(self._hashes[-1])
        if self._period and self._hashes[-1] == self._hashes[-1 - self._period]:
            self._same += 1
        else:
            self._same = 0
            is_first = len(self._hashes) > 1 and self._hashes[-1] == self._hashes[0]
            self._period = len(self._hashes) - 1 if is_first else 0
        many = max(_ROUNDS_ELEMENTS, _ROUNDS * self._period)
        return bool(self._period) and self._same >= many

    def _refuse(self, why: str) -> None:
        raise ModelError(
            f"{self._spec}: {self._part} has not ended after {self.elements:,} elements "
            f"({size(self._bytes)} as float32), and {why}; leave out repeat(), or say how many "
            "there are: dataset.apply(tf.data.experimental.assert_cardinality(N))"
        )


def _named(element: Any, part: str, shape: tuple[int, ...]) -> dict[str, Array]:
    """One element as arrays with a batch."""
    if isinstance(element, Mapping):
        raise ValueError(
            f"it gives dictionaries of {', '.join(map(str, element))}: map them to pairs"
        )
    is_pair = isinstance(element, (tuple, list))
    if is_pair and len(element) != 2:
        raise ValueError(f"it gives {len(element)} things at a time (weights are not used)")
    given, y = element if is_pair else (element, None)
    x = np.asarray(_only_input(given))
    is_single = x.shape == shape or (*x.shape, 1) == shape
    arrays = {f"x_{part}": x}
    arrays |= {name: np.asarray(value) for name, value in _targets(y, part).items()}
    return {name: one[None] if is_single else one for name, one in arrays.items()}


def _only_input(given: Any) -> Any:
    """The input itself, where it comes under the name of the model's only one."""
    if isinstance(given, Mapping):
        if len(given) != 1:
            raise ValueError(
                f"it gives {len(given)} inputs at a time: {', '.join(map(str, given))}"
            )
        return next(iter(given.values()))
    return given


def _targets(y: Any, part: str) -> dict[str, Any]:
    """Targets by the name of their array; none for None."""
    if isinstance(y, Mapping):
        return {f"y_{part}/{name}": value for name, value in y.items()}
    if isinstance(y, (tuple, list)):
        return {f"y_{part}/{k}": value for k, value in enumerate(y)}
    return {} if y is None else {f"y_{part}": y}
