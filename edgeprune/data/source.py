"""What form ``--data`` has, told by a look at it that is short whatever it is."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from edgeprune.data.patience import Late, within
from edgeprune.errors import ModelError
from edgeprune.text.near_names import file_beside
from edgeprune.text.untrusted import printable

Form = Literal["npz", "folder", "function"]

FORMS = "an .npz file, a folder of images by class, or package.module:function"

_FUNCTION = r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*"

ANSWER_S = 15.0
"""A disk or a network mount that does not answer for so long is taken for dead. Source: ours."""

_SPECIAL = {
    stat.S_IFIFO: "a FIFO (a pipe)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def form_of(spec: str) -> Form:
    """What the user gave.

    Raises:
        ModelError: Nothing that can hold data; the message says what else may be meant.
    """
    try:
        mode = within(ANSWER_S, lambda: _mode(spec))
    except Late as error:
        raise ModelError(
            f"{spec}: its disk does not answer within {ANSWER_S:g} s: is it a network mount whose "
            "server is gone?"
        ) from error
    if mode is None:
        return _function(spec)
    if stat.S_ISDIR(mode):
        return "folder"
    if stat.S_ISREG(mode):
        return "npz"
    raise ModelError(f"{spec}: is {_SPECIAL.get(stat.S_IFMT(mode), 'no file')}; expected {FORMS}")


@contextmanager
def on_one_line() -> Iterator[None]:
    """Errors of the block name files, folders and arrays as what can be seen of their names."""
    try:
        yield
    except ModelError as error:
        raise ModelError(printable(error)) from error


def _mode(spec: str) -> int | None:
    """What kind of file it is; None where there is none."""
    try:
        mode = os.stat(spec).st_mode
        if stat.S_ISREG(mode):
            with open(spec, "rb") as file:
                file.read(1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # ValueError: the name holds a null byte
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{spec!r}: cannot be read: {reason}") from error
    return mode


def _function(spec: str) -> Form:
    """Checks the form of what is no path.

    Raises:
        ModelError: It is no name of a function either.
    """
    module, _, name = spec.partition(":")
    if re.fullmatch(_FUNCTION, spec) and not module.endswith(".py"):
        return "function"
    dotted = module.removesuffix(".py").strip("/.").replace("/", ".")
    if name and re.fullmatch(_FUNCTION, f"{dotted}:{name}"):
        raise ModelError(f"{spec}: no such file; did you mean {dotted}:{name}?")
    raise ModelError(f"{spec}: no such file; expected {FORMS}{file_beside(Path(spec))}")
