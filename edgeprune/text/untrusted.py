"""Text that others chose: a device's words, names out of model files. Nothing else prints it raw.

An escape sequence could rewrite the screen, a line break forge a line of ours, a character that
turns the writing's direction show another name than there is.
"""

from __future__ import annotations

import re

MAX_WORDS = 400
"""Characters of a device's words in a message. Source: ours; a terminal's five lines."""

_CUT = " ... "
_CHATTER = re.compile(r"^(?:VERBOSE|INFO|WARNING): .*$", re.MULTILINE)
"""What the runtime says whatever happens. Source: LiteRT, tflite/minimal_logging.cc."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def printable(text: object) -> str:
    """``text`` on one line, with every character that is none to be seen as ``?``.

    These are control and format characters, line breaks, unassigned and private ones, and halves of
    surrogate pairs.

    >>> printable("conv" + chr(27) + "[2J")
    'conv?[2J'
    """
    return "".join(mark if mark.isprintable() else "?" for mark in str(text))


def one_line(text: object, max_characters: int = MAX_WORDS) -> str:
    r"""As :func:`printable`, with each run of white space as one space, and cut in the middle.

    >>> one_line("no such\r\n  file\x07")
    'no such file?'
    >>> one_line("a" * 50 + "b" * 50, 11)
    'aa ... bbbb'
    """
    # What is far too long is cut first, so that a gigabyte of it costs nothing.
    raw = _cut(str(text), 8 * max_characters)
    return _cut(printable(" ".join(raw.split())), max_characters)


def reason_of(error: BaseException, max_characters: int = MAX_WORDS) -> str:
    r"""An error in one clean line, without Keras' colours or losing an empty one's kind.

    >>> reason_of(ValueError("no such\n   \x1b[1mlayer\x1b[0m")), reason_of(EOFError())
    ('no such layer', 'EOFError')
    """
    text = _cut(str(error), 8 * max_characters)
    return one_line(_COLOURS.sub("", text), max_characters) or type(error).__name__


def device_says(text: object) -> str:
    r"""A device's words, clean and marked as its own.

    >>> device_says('done"\nedgeprune: all good')
    'the device says: "done\' edgeprune: all good"'
    >>> device_says(" \n")
    'the device says nothing of it'
    >>> device_says("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nout of memory")
    'the device says: "out of memory"'
    """
    words = one_line(_CHATTER.sub("", _cut(str(text), 8 * MAX_WORDS))).replace('"', "'")
    return f'the device says: "{words}"' if words else "the device says nothing of it"


def _cut(text: str, max_characters: int) -> str:
    """Its first third and its last two, where it is longer: the end of an error says most."""
    if len(text) <= max_characters:
        return text
    head = (max_characters - len(_CUT)) // 3
    tail = max_characters - len(_CUT) - head
    return text[:head] + _CUT + text[len(text) - tail :]
