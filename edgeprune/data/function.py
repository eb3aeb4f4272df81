"""``package.module:function`` of the user's own, which returns ``tf.data.Dataset``s."""

from __future__ import annotations

import importlib
import random
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.data.collect import collected, is_whole
from edgeprune.data.patience import Late, within
from edgeprune.data.raw import RawData
from edgeprune.errors import ModelError

CALL_S = 600.0
"""How long the function itself may take; it may have to fetch data first. Source: ours."""

_WANTED = "expected (train, test) or {'train': ..., 'test': ...} of tf.data.Dataset"

_FEW = 64
"""Samples of a second call that are compared with those of the first. Source: ours."""

_LOOKED_AT = 1024
"""Values of a sample that are compared, at most. Source: ours."""

_TEST_NAMES = ("test", "validation", "val", "valid")


def read_function(
    spec: str, shape: tuple[int, ...], say: Callable[[str], None] = lambda line: None
) -> RawData:
    """Calls the function and collects what it returns. This runs the user's own code.

    Args:
        spec: ``package.module:function``; the current folder is searched as well.
        shape: Of one input: it tells batched datasets from those that are not.
        say: Told how far reading is.

    Raises:
        ModelError: No such function, it returns no pair or dictionary of datasets, it fails, or a
            dataset has no end.
    """
    function = _function(spec)
    train, test, notes = _parts(spec, _called(spec, function))
    arrays: dict[str, Array] = {}
    for part, dataset in (("train", train), ("test", test)):
        if dataset is not None:
            with users_own(spec):
                arrays |= collected(spec, dataset, part, shape, say)

    def again(epoch: int) -> Any:
        return _parts(spec, _called(spec, function, epoch))[0]

    if train is None or is_whole(train):
        return RawData(arrays, notes=notes)
    is_fresh, lines = _is_fresh(spec, again, arrays, shape)
    if not is_fresh:
        return RawData(arrays, notes=(*notes, *lines))

    def fresh(epoch: int) -> dict[str, Array]:
        with users_own(spec):
            return collected(spec, again(epoch), "train", shape, say)

    return RawData(arrays, notes=(*notes, *lines), fresh=fresh)


def _called(spec: str, function: Callable[[], Any], epoch: int = 0) -> Any:
    """What the function returns, with the usual random generators set by the epoch's number.

    Raises:
        ModelError: It fails, or does not return.
    """
    random.seed(epoch)
    np.random.seed(epoch)
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None:
        tensorflow.random.set_seed(epoch)
    with users_own(spec):
        try:
            return within(CALL_S, function)
        except Late as error:
            raise ModelError(f"{spec}: has not returned after {CALL_S:g} s") from error


def _is_fresh(
    spec: str, again: Callable[[int], Any], arrays: dict[str, Array], shape: tuple[int, ...]
) -> tuple[bool, tuple[str, ...]]:
    """Whether another call gives samples that the first one did not, and what is to be said."""
    try:
        with users_own(spec):
            few = collected(spec, again(1), "train", shape, most=_FEW)
    except ModelError as error:
        return False, (f"a second call fails, so that all epochs have the same samples: {error}",)
    known = set(_digests(arrays["x_train"]))
    if all(digest in known for digest in _digests(few["x_train"])):
        return False, ()
    line = "training samples are new at each call: each epoch asks for them anew"
    y, first = few.get("y_train"), arrays.get("y_train")
    is_ordered = y is not None and first is not None and np.array_equal(y, first[: len(y)])
    if is_ordered:
        return True, (line,)
    return True, (f"{line}; they are shuffled, so what is held out may come in another epoch",)


def _digests(x: Array) -> list[int]:
    """A number for each sample, by some of its values."""
    flat = x.reshape(len(x), -1)
    some = np.ascontiguousarray(flat[:, :: -(-flat.shape[1] // _LOOKED_AT) or 1])
    return [hash(row.tobytes()) for row in some]


def _parts(spec: str, returned: Any) -> tuple[Any, Any, tuple[str, ...]]:
    """The two datasets, the first of which may be None, and notes."""
    if isinstance(returned, dict):
        names = {str(key).casefold(): key for key in returned}
        name = next((name for name in _TEST_NAMES if name in names), None)
        if name is None:
            raise ModelError(f"{spec}: {_WANTED}, got {_listed(returned)}")
        notes = () if name == "test" else (f"there is no test: {name} is scored in its place",)
        train = next((returned[names[n]] for n in ("train", "training") if n in names), None)
        return train, returned[names[name]], notes
    if (
        not isinstance(returned, (tuple, list))
        or len(returned) not in (2, 3)
        or returned[-1] is None
    ):
        count = f" of {len(returned)}" if isinstance(returned, (tuple, list)) else ""
        raise ModelError(f"{spec}: {_WANTED}, got {type(returned).__name__}{count}")
    if len(returned) == 3:
        note = "of three datasets the second is set aside, and the third is scored"
        return returned[0], returned[2], (note,)
    return returned[0], returned[1], ()


def _listed(returned: dict[Any, Any]) -> str:
    return f"a dictionary of {', '.join(map(str, returned)) or 'nothing'}"


def _function(spec: str) -> Callable[[], Any]:
    module, _, name = spec.partition(":")
    kept = list(sys.path)
    sys.path.insert(0, "")  # the user's own module lies where they stand
    try:
        with users_own(spec):
            function: Any = getattr(importlib.import_module(module), name)
    finally:
        sys.path[:] = kept
    if not callable(function):
        raise ModelError(f"{spec}: is no function")
    made: Callable[[], Any] = function
    return made


@contextmanager
def users_own(spec: str) -> Iterator[None]:
    """Turns whatever the user's code raises in the block into one line.

    Raises:
        ModelError: It raised something; the line says where.
    """
    try:
        yield
    except (ModelError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # SystemExit too: what the user's code raises is theirs
        reason = " ".join(str(error).split())[:200]
        if not isinstance(error, (ImportError, AttributeError, SyntaxError)):
            reason = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
        raise ModelError(f"{spec}: {reason}{_place(error)}") from error


def _place(error: BaseException) -> str:
    """The line of the user's that raised an error, where it was one of theirs."""
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in frame.filename and "/edgeprune/" not in frame.filename
    ]
    own = [
        frame for frame in own if frame.filename.endswith(".py") and "/lib/" not in frame.filename
    ]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
