"""Small files that people wrote: read strictly, in one line where they are wrong, never waiting."""

import json
import os
import random
import socket
import tracemalloc
from pathlib import Path

import damaged_inputs
import pytest

from edgeprune.errors import ConfigError, EdgepruneError
from edgeprune.files.read_file import MAX_DEPTH, parse_json, read_bytes, read_json, read_text
from edgeprune.files.tables import read_toml


def refused(read, path, says):
    with pytest.raises(ConfigError, match=says) as found:
        read(path)
    assert str(found.value).startswith(str(path)) and len(str(found.value).splitlines()) == 1


@pytest.mark.parametrize("read", [read_bytes, read_text, read_json, read_toml])
def test_what_is_no_file_is_refused_at_once(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's name must be short
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        refused(read, tmp_path / "socket", "cannot be read|is a pipe or a device")
    refused(read, tmp_path / "fifo", "is a pipe or a device")
    refused(read, tmp_path, "is a folder")
    refused(read, tmp_path / "nowhere", "no such file")
    refused(read, tmp_path / ("x" * 300), "cannot be read: File name too long")
    for device in ("/dev/zero", "/dev/full", "/dev/tty"):
        with pytest.raises(ConfigError):
            read(device)


def test_a_name_with_a_null_byte():
    with pytest.raises(ConfigError, match="cannot be read"):
        read_bytes("a\0b")


def test_a_short_file_takes_little_memory_whatever_it_might_be_long(tmp_path):
    (tmp_path / "x").write_bytes(b"[1]")
    tracemalloc.start()
    try:
        assert read_json(tmp_path / "x") == [1]
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_file_that_is_too_long(tmp_path):
    (tmp_path / "x").write_bytes(bytes(101))
    assert read_bytes(tmp_path / "x", 101) == bytes(101)
    with pytest.raises(ConfigError, match="is longer than"):
        read_bytes(tmp_path / "x", 100)


def test_a_byte_order_mark_is_no_fault_and_other_encodings_are_named(tmp_path):
    file = tmp_path / "x.json"
    file.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(file) == {"a": 1}
    file.write_bytes('{"a": 1}'.encode("utf-16"))
    refused(read_json, file, "is UTF-16: save it as UTF-8")
    file.write_bytes(b'{"a": "\xff"}')
    refused(read_json, file, "has a byte at 7 that is no UTF-8")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100000, "is nested too deeply"),
        ("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2), "is nested too deeply"),
        ('{"a": NaN}', "NaN is not a finite number"),
        ("-Infinity", "-Infinity is not a finite number"),
        ("1e999", "inf is not a finite number"),
        ("9" * 30, "holds a number beyond 64 bits"),
        ("9" * 5000, "integer string conversion"),
        ('{"a": 1, "a": 1}', "names 'a' twice"),
        (r'"\ud800"', "half a character"),
        (r'{"\udfff": 1}', "half a character"),
        (r'["a\u0000b"]', "a text with a NUL character"),
    ],
)
def test_json_that_nobody_can_use(text, says, tmp_path):
    (tmp_path / "x.json").write_text(text)
    refused(read_json, tmp_path / "x.json", says)


@pytest.mark.skipif(not Path("/proc/kmsg").exists(), reason="of Linux")
def test_a_file_of_the_kernels_that_would_be_waited_for():
    with pytest.raises(ConfigError, match=r"/proc/kmsg: (has nothing to read now|cannot be read)"):
        read_bytes(Path("/proc/kmsg"))


def test_json_that_can_be_used():
    text = json.dumps([1.5, -(2**63), 2**63 - 1, "\u20ac", None, {"": []}, "\U0001f600"])
    assert parse_json(text, "x") == json.loads(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = nan", "nan is not a finite number"),
        ("a = [1, {b = inf}]", "inf is not a finite number"),
        ("a = " + "9" * 30, "holds a number beyond 64 bits"),
        ("a = " + "9" * 5000, "not TOML"),
        ("a = " + "[" * 5000, "not TOML|nested too deeply"),
        ("a = 1979-99-99", "not TOML"),
        (".".join("a" * 100) + " = 1", "is nested too deeply"),
        ("a = 1\na = 2", "not TOML"),
        ('a = "\x00"', "not TOML"),
        (r'a = "x\u0000y"', "a text with a NUL character"),
    ],
)
def test_toml_that_nobody_can_use(text, says, tmp_path):
    (tmp_path / "x.toml").write_text(text)
    refused(read_toml, tmp_path / "x.toml", says)


READERS = damaged_inputs.inputs()


@pytest.mark.parametrize("kind", damaged_inputs.INPUTS)
def test_damaged_files_of_every_kind_are_read_or_refused_in_one_line(kind):
    one = READERS[kind]
    for number in range(40):
        content = one.damaged(random.Random(f"test/{kind}/{number}"))
        try:
            one.read(content)
        except EdgepruneError as error:
            assert str(error) and "\n" not in str(error)
