"""Files in an answer cross once each, and come back where they were."""

from dataclasses import dataclass

import pytest

from edgeprune.sandbox import blobs

LONG, OTHER = bytes(blobs.SMALLEST_BYTES), b"\x01" * blobs.SMALLEST_BYTES


@dataclass(frozen=True)
class Inner:
    file: bytes
    name: str = "x"


@dataclass(frozen=True)
class Answer:
    first: bytes
    second: bytes | None
    inner: Inner
    short: bytes = b"short"


@pytest.mark.parametrize(
    "answer, files",
    [
        (Answer(LONG, OTHER, Inner(LONG)), [LONG, OTHER]),
        (Answer(LONG, None, Inner(OTHER)), [LONG, OTHER]),
        (Answer(b"", b"x", Inner(b"y")), []),
        (LONG, [LONG]),
        ((1, 2), []),
    ],
)
def test_long_strings_are_taken_out_once_and_put_back(answer, files):
    light, found = blobs.taken_out(answer)
    assert found == files
    assert blobs.put_back(light, found) == answer
    assert (light == answer) == (not files)


def test_a_mark_that_stands_for_nothing_stays():
    light, found = blobs.taken_out(Answer(LONG, OTHER, Inner(LONG)))
    assert blobs.put_back(light, found[:1]).second == b"edgeprune-blob-1"
    assert blobs.put_back(light, []) == light
