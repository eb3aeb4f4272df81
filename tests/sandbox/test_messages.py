"""What crosses is read by its type, and whatever else a child sends is refused."""

import dataclasses
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.artifacts.arrays import Array, Samples
from edgeprune.errors import CodeRefused, ModelError
from edgeprune.pipeline.compressed import Compressed
from edgeprune.pipeline.jobs import CompressJob, HostJob, HostOutputs
from edgeprune.pipeline.request import Request
from edgeprune.recipe import load_recipe, recipe_names
from edgeprune.sandbox import jobs
from edgeprune.sandbox.messages import Failed, Message, Said, clean, decoded, encoded, error_of


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "u1", "i2", "i4", "i8", "f2", "f4", "f8", "c8", ">f4", ">i2"]
)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (1, 2, 3), (2, 0, 4)])
def test_arrays_come_back_as_they_were(dtype, shape):
    value = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    (back,) = decoded(encoded([value]), list[Array])
    assert back.dtype == value.dtype.newbyteorder("=") and back.shape == value.shape
    assert np.array_equal(back, value)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_comes_back_as_it_was(name):
    asked = Request(Path("a b/net.h5"), "rpi4", load_recipe(name), input_shape=(3, 4))
    assert decoded(encoded(asked), Request) == asked


@pytest.mark.parametrize(
    "raw",
    [
        None,
        7,
        ["f4", [2], b"1234"],
        ["f4", [-1], b""],
        ["f4", [1 << 62, 1 << 62], b""],
        ["O8", [1], b"12345678"],
        ["U1", [1], b"1234"],
        ["f4", [1.0], b"1234"],
        ["f4", [True], b"1234"],
        ["f4", [1] * 40, b"1234"],
        ["f4", "1", b"1234"],
        ["f4", [1], "1234"],
        [["f4"], [1], b"1234"],
        ["f4", [1], b"1234", 1],
    ],
)
def test_what_is_no_array_is_refused(raw):
    with pytest.raises(ValueError):
        decoded(msgspec.msgpack.encode([[raw]]), Samples)


@pytest.mark.parametrize("kind", [Compressed, HostOutputs, HostJob, CompressJob, Message])
@given(content=st.binary(max_size=200))
def test_no_bytes_raise_anything_but_one_error(kind, content):
    try:
        decoded(content, kind)
    except ValueError:
        pass


@pytest.mark.parametrize("kind", [Compressed, HostOutputs, Message])
@pytest.mark.parametrize(
    "raw", [{}, [], None, {"outputs": 1}, {"type": "Said"}, {"type": "Gone"}, [[]] * 3, "x" * 99]
)
def test_an_answer_of_another_type_is_refused(kind, raw):
    with pytest.raises(ValueError):
        decoded(msgspec.msgpack.encode(raw), kind)


def test_nesting_without_end_is_refused():
    deep = b"\x91" * 100_000 + b"\xc0"
    with pytest.raises(ValueError):
        decoded(deep, Samples)


def test_errors_travel_by_a_name_that_exists_and_with_clean_text():
    error = error_of(Failed("CodeRefused", "layer\n'x'\x1b[2J is a Lambda"))
    assert type(error) is CodeRefused and str(error) == "layer 'x'?[2J is a Lambda"
    for name in ("SystemExit", "KeyboardInterrupt", "__import__", "annotations", ""):
        with pytest.raises(ValueError, match="no error is called"):
            error_of(Failed(name, "x"))
    assert len(str(error_of(Failed("ModelError", "x" * 10**6)))) <= 2000
    assert isinstance(error_of(Failed("ModelError", "x")), ModelError)


def test_text_cannot_turn_or_move_what_is_on_the_screen():
    assert clean("a\u202eb\x9bc\x00d\u200be") == "a?b?c?d?e"


def test_only_jobs_on_the_list_can_be_named():
    for name in ("os:system", "edgeprune.pipeline.jobs:Path", "edgeprune.cli:main", ""):
        with pytest.raises(ValueError, match="no job"):
            jobs.find(name)
    with pytest.raises(ValueError, match="no job"):
        jobs.name_of(clean)
    for name in jobs.JOBS:
        assert jobs.name_of(jobs.find(name)) == name
        jobs.types_of(jobs.find(name))


def test_nothing_but_plain_values_leaves_the_child():
    @dataclasses.dataclass
    class Holder:
        value: object

    with pytest.raises(TypeError):
        encoded(Holder(object()))
    with pytest.raises((TypeError, ValueError)):
        encoded([np.array([object()])])
    assert decoded(encoded(Said("x")), Message) == Said("x")


def test_what_a_child_counts_and_keeps_reaches_whoever_shows_it(monkeypatch):
    import io

    from rich.console import Console

    from edgeprune.console import interrupts
    from edgeprune.progress import Progress
    from edgeprune.sandbox.messages import Counted, Keeps
    from edgeprune.sandbox.shown import Shown

    monkeypatch.setattr(interrupts._State, "kept", "")
    log, now_s = Console(file=io.StringIO(), width=200), [0.0]
    with Progress(log, lambda: now_s[0]) as progress, progress.stage("prune"):
        shown = Shown(None)  # whoever asked for the job may show nothing of it
        shown.read(bytearray(encoded(Counted(1, 9, "batch 1 of 9", False))))
        now_s[0] = 31.0
        shown.read(bytearray(encoded(Counted(3, 9, "batch 3\x1b[2J of 9" + "x" * 999, True))))
        progress.beat()
        shown.read(bytearray(encoded(Keeps("the training\nis kept"))))
    line = log.file.getvalue().splitlines()[1]
    assert line.startswith("prune: batch 3?[2J of 9xxx") and len(line) < 300
    assert line.endswith("; 31 s so far, at most 1 min 33 s left")
    assert interrupts._State.kept == "the training is kept"


@pytest.mark.parametrize(
    "message", [{"done": -1}, {"done": 1 << 63}, {"total": "9"}, {"done": 1.5}, {"is_most": 1}]
)
def test_a_count_that_is_none_is_refused(message):
    right = {"type": "Counted", "done": 1, "total": 9, "text": "x", "is_most": False}
    decoded(msgspec.msgpack.encode(right), Message)
    with pytest.raises(ValueError):
        decoded(msgspec.msgpack.encode(right | message), Message)
