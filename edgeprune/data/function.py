"""``package.module:function`` of the user's own, which returns ``tf.data.Dataset``s."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from edgeprune.artifacts import Array
from edgeprune.data.collect import collected
from edgeprune.data.patience import Late, within
from edgeprune.data.raw import RawData
from edgeprune.errors import ModelError

CALL_S = 600.0
"""How long the function itself may take; it may have to fetch data first. Source: ours."""

_WANTED = "expected (train, test) or {'train': ..., 'test': ...} of tf.data.Dataset"

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
    with users_own(spec):
        try:
            made = within(CALL_S, function)
        except Late as error:
            raise ModelError(f"{spec}: has not returned after {CALL_S:g} s") from error
    train, test, notes = _parts(spec, made)
    arrays: dict[str, Array] = {}
    for part, dataset in (("train", train), ("test", test)):
        if dataset is not None:
            with users_own(spec):
                arrays |= collected(spec, dataset, part, shape, say)
    return RawData(arrays, notes=notes)


def _parts(spec: str, made: Any) -> tuple[Any, Any, tuple[str, ...]]:
    """The two datasets, the first of which may be None, and notes."""
    if isinstance(made, dict):
        names = {str(key).casefold(): key for key in made}
        name = next((name for name in _TEST_NAMES if name in names), None)
        if name is None:
            raise ModelError(f"{spec}: {_WANTED}, got {_listed(made)}")
        notes = () if name == "test" else (f"there is no test: {name} is scored in its place",)
        train = next((made[names[n]] for n in ("train", "training") if n in names), None)
        return train, made[names[name]], notes
    if not isinstance(made, (tuple, list)) or len(made) not in (2, 3) or made[-1] is None:
        raise ModelError(f"{spec}: {_WANTED}, got {type(made).__name__}")
    if len(made) == 3:
        note = "of three datasets the second is set aside, and the third is scored"
        return made[0], made[2], (note,)
    return made[0], made[1], ()


def _listed(made: dict[Any, Any]) -> str:
    return f"a dictionary of {', '.join(map(str, made)) or 'nothing'}"


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
