"""What crosses between parent and child: frames of msgpack, read by their types and no other way.

A frame is one byte that says whether it holds a message, a file of the answer or the answer, its
length as 8 bytes, little endian, and that many bytes.
"""

from __future__ import annotations

import math
import os
import struct
import unicodedata
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_origin

import msgspec
import numpy as np

from edgeprune import errors
from edgeprune.errors import EdgepruneError
from edgeprune.sandbox.walls import Wall

HEAD = struct.Struct("<cQ")
MESSAGE, BLOB, ANSWER = b"M", b"B", b"A"
MAX_MESSAGE_BYTES = 1 << 20

_DTYPES = frozenset("b1 i1 u1 i2 u2 i4 u4 i8 u8 f2 f4 f8 c8 c16".split())
_MAX_TEXT = 2000
_MAX_AXES = 32

Value = TypeVar("Value")

Amount = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]


class Closed(msgspec.Struct, tag=True, frozen=True):
    """The child has closed its walls: these.

    Attributes:
        walls: All of them.
    """

    walls: tuple[Wall, ...]


class Said(msgspec.Struct, tag=True, frozen=True):
    """A line of progress.

    Attributes:
        line: The line.
        how: The method of :class:`edgeprune.progress.Progress` that takes it.
    """

    line: str
    how: Literal["say", "note", "warn"] = "say"


class Counted(msgspec.Struct, tag=True, frozen=True):
    """How far the stage is.

    Attributes:
        done: Parts that are done.
        total: Of so many, or None.
        text: What they are.
        is_most: There may be fewer.
    """

    done: Amount
    total: Amount | None
    text: str
    is_most: bool


class Keeps(msgspec.Struct, tag=True, frozen=True):
    """What an interrupt from now on leaves behind.

    Attributes:
        what: As the end of a sentence; empty for nothing.
    """

    what: str


class Began(msgspec.Struct, tag=True, frozen=True):
    """A stage has begun.

    Attributes:
        stage: Its name.
    """

    stage: str


class Ended(msgspec.Struct, tag=True, frozen=True):
    """The stage that began last has ended.

    Attributes:
        well: False where an error ended it.
    """

    well: bool


class Alive(msgspec.Struct, tag=True, frozen=True):
    """The child still computes."""


class Failed(msgspec.Struct, tag=True, frozen=True):
    """The job ended with an error that edgeprune raises on purpose.

    Attributes:
        error: Name of its class in :mod:`edgeprune.errors`.
        text: Its message.
    """

    error: str
    text: str


class Fault(msgspec.Struct, tag=True, frozen=True):
    """The job ended with an error that nobody expected.

    Attributes:
        text: The error in one line.
        trace: The traceback.
    """

    text: str
    trace: str


Message = Union[Closed, Said, Counted, Keeps, Began, Ended, Alive, Failed, Fault]  # noqa: UP007

ERRORS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, EdgepruneError)
}


def encoded(value: object) -> bytes:
    """A frozen dataclass of plain values, paths and arrays as msgpack."""
    return msgspec.msgpack.encode(value, enc_hook=_plain)


def decoded(content: bytes | bytearray, kind: Any) -> Any:
    """The same from bytes that nobody vouches for.

    Args:
        content: The bytes.
        kind: The type that they must hold.

    Raises:
        ValueError: They hold something else.
    """
    try:
        return msgspec.msgpack.decode(content, type=kind, dec_hook=_restored)
    except (msgspec.MsgspecError, RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from error


def error_of(message: Failed) -> EdgepruneError:
    """The error that a child's message stands for.

    Raises:
        ValueError: It names no class of :mod:`edgeprune.errors`.
    """
    kind = ERRORS.get(message.error)
    if kind is None:
        raise ValueError(f"no error is called {clean(message.error)[:40]!r}")
    return kind(clean(message.text))


def clean(text: str) -> str:
    r"""Text of the child on one line, without what moves a terminal's cursor, and not endless.

    >>> clean("two\nlines\x1b[2J")
    'two lines?[2J'
    """
    plain = " ".join(text[: 4 * _MAX_TEXT].split())
    plain = "".join("?" if unicodedata.category(c).startswith("C") else c for c in plain)
    return plain if len(plain) <= _MAX_TEXT else plain[: _MAX_TEXT - 3] + "..."


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        name = f"{value.dtype.kind}{value.dtype.itemsize}"
        if name not in _DTYPES:
            raise TypeError(f"an array of {value.dtype} cannot leave the child")
        flat = np.ascontiguousarray(value, value.dtype.newbyteorder("=")).reshape(-1)
        return [name, value.shape, flat.view(np.uint8).data]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, bytes):  # of a kind that knows more than its bytes
        return bytes(value)
    if isinstance(value, Path):  # whose name may be no UTF-8
        return os.fsencode(value)
    raise TypeError(f"a {type(value).__name__} cannot leave the child")


def _restored(kind: Any, raw: object) -> object:
    if kind is Path:
        if isinstance(raw, bytes):
            return Path(os.fsdecode(raw))
    elif (get_origin(kind) or kind) is np.ndarray:
        return _array(raw)
    raise ValueError(f"expected {kind}, got {type(raw).__name__}")


def _array(raw: object) -> np.ndarray[Any, Any]:
    """An array out of its type's name, shape and bytes.

    Raises:
        ValueError: They do not fit together.
    """
    if not (isinstance(raw, list) and len(raw) == 3):
        raise ValueError("an array is three values")
    name, shape, content = raw
    if not (isinstance(name, str) and name in _DTYPES and isinstance(content, bytes)):
        raise ValueError("no array of numbers")
    is_shape = isinstance(shape, list) and len(shape) <= _MAX_AXES
    if not (is_shape and all(type(size) is int and size >= 0 for size in shape)):
        raise ValueError("no shape of an array")
    dtype = np.dtype(name)
    if math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError("an array's shape and bytes do not fit together")
    return np.frombuffer(content, dtype).reshape(shape)
