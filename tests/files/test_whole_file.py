"""Files appear whole or not at all, and nothing that is no file is ever replaced by one."""

import errno
import fcntl
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edgeprune.errors import ConfigError
from edgeprune.files import whole_file
from edgeprune.files.whole_file import Reserved, write_whole


def names(folder):
    return sorted(one.name for one in folder.iterdir())


@pytest.fixture
def umask():
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_bytes_text_and_a_function_are_written(tmp_path):
    write_whole(tmp_path / "a", b"\x00\xff")
    write_whole(tmp_path / "b", "grün\n")
    write_whole(tmp_path / "c", lambda file: file.write(b"from a function"))
    assert (tmp_path / "a").read_bytes() == b"\x00\xff"
    assert (tmp_path / "b").read_text(encoding="utf-8") == "grün\n"
    assert (tmp_path / "c").read_bytes() == b"from a function"
    assert names(tmp_path) == ["a", "b", "c"]


def test_a_file_that_exists_stays_unless_it_may_be_replaced(tmp_path):
    (tmp_path / "a").write_text("mine")
    with pytest.raises(ConfigError, match="a: cannot be written: it exists already"):
        write_whole(tmp_path / "a", "other")
    assert (tmp_path / "a").read_text() == "mine"
    write_whole(tmp_path / "a", "other", replace=True)
    assert (tmp_path / "a").read_text() == "other" and names(tmp_path) == ["a"]


def test_a_new_file_has_the_umasks_permissions_and_a_replaced_one_keeps_its_own(tmp_path, umask):
    write_whole(tmp_path / "new", "x")
    (tmp_path / "old").write_text("x")
    (tmp_path / "old").chmod(0o600)
    write_whole(tmp_path / "old", "y", replace=True)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "old")]
    assert modes == [0o640, 0o600]


def test_content_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "a").write_text("old")

    def half(file):
        file.write(b"half")
        raise KeyError("in the middle")

    with pytest.raises(KeyError):
        write_whole(tmp_path / "a", half, replace=True)
    assert (tmp_path / "a").read_text() == "old" and names(tmp_path) == ["a"]


def test_a_link_stays_and_the_file_that_it_names_is_written(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "page").write_text("old")
    (tmp_path / "link").symlink_to("real/page")
    (tmp_path / "dangling").symlink_to("real/new")
    write_whole(tmp_path / "link", "new", replace=True)
    write_whole(tmp_path / "dangling", "made")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "page").read_text() == "new"
    assert (tmp_path / "dangling").is_symlink()
    assert (tmp_path / "real" / "new").read_text() == "made"


def test_a_null_device_is_still_one_afterwards(tmp_path):
    node = tmp_path / "null"
    try:
        os.mknod(node, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        node.write_text("")  # a folder mounted without devices opens none
    except PermissionError:
        pytest.skip("this user makes no device node here")
    for path in (node, Path("/dev/null")):
        write_whole(path, "gone")
        write_whole(path, "gone", replace=True)
        assert stat.S_ISCHR(path.stat().st_mode)
    assert names(tmp_path) == ["null"]


def test_a_full_device_is_one_line():
    with pytest.raises(ConfigError, match="/dev/full: cannot be written: No space left on device"):
        write_whole(Path("/dev/full"), "x" * 10)


def test_a_named_pipe_is_written_into_once_somebody_reads(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    content = b"much" * 100_000  # more than a pipe holds at once
    write_whole(pipe, content)
    reader.join(300)
    assert found == [content] and stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_named_pipe_that_nobody_reads_ends_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(whole_file, "READER_S", 0.2)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="nobody read it"):
        write_whole(tmp_path / "pipe", "x")


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
@pytest.mark.parametrize("target", ["file", "pipe"])
def test_standard_output_is_written_in_order_with_what_was_printed(tmp_path, name, target):
    (tmp_path / "link").symlink_to("/dev/stdout")
    program = (
        "import sys; from pathlib import Path; from edgeprune.files.whole_file import write_whole\n"
        "print('before'); write_whole(Path(sys.argv[1]), 'page\\n'); print('after')"
    )
    argv = [sys.executable, "-c", program, name]
    if target == "pipe":
        out = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=300).stdout
    else:
        with (tmp_path / "out").open("w") as file:
            subprocess.run(argv, cwd=tmp_path, stdout=file, check=True, timeout=300)
        out = (tmp_path / "out").read_text()
    assert out == "before\npage\nafter\n"


@pytest.mark.parametrize(
    "name, says",
    [
        ("n" * 300, "File name too long"),
        ("folder", "it is a folder"),
        ("no/such/folder", "No such file or directory"),
        ("file/below", "Not a directory"),
        ("loop", "Too many levels of symbolic links"),
        ("a\0b", "no NUL"),
        ("two\nlines/x", "No such file or directory"),
    ],
)
def test_a_name_that_cannot_be_is_one_line(tmp_path, name, says):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    before = names(tmp_path)
    with pytest.raises(ConfigError) as caught:
        write_whole(tmp_path / name, "x", replace=True)
    assert says in str(caught.value) and "\n" not in str(caught.value)
    assert names(tmp_path) == before


@pytest.mark.parametrize("name", ["-n", "größe 数", "two\nlines", "n" * 255, b"\xff\xfe"])
def test_a_name_that_is_odd_but_possible_is_written(tmp_path, name):
    write_whole(tmp_path / os.fsdecode(name), "x")
    assert [os.fsencode(one) for one in names(tmp_path)] == [os.fsencode(name)]


def test_a_reserved_name_is_refused_to_others_until_it_is_given_back(tmp_path):
    with Reserved(tmp_path / "out") as first:
        with pytest.raises(ConfigError, match="another edgeprune is about to write it"):
            Reserved(tmp_path / "out").__enter__()
        first.write("first")
    assert (tmp_path / "out").read_text() == "first" and names(tmp_path) == ["out"]
    with Reserved(tmp_path / "second"):
        pass  # ended without writing
    with Reserved(tmp_path / "second") as again:
        again.write("x")
    assert names(tmp_path) == ["out", "second"]


def test_what_appeared_under_a_reserved_name_is_not_replaced(tmp_path):
    with (
        pytest.raises(ConfigError, match="it exists already"),
        Reserved(tmp_path / "out") as reserved,
    ):
        (tmp_path / "out").write_text("somebody else's")
        reserved.write("ours")
    assert (tmp_path / "out").read_text() == "somebody else's" and names(tmp_path) == ["out"]


def test_a_killed_writers_leftover_is_removed_by_the_next_one(tmp_path):
    program = (
        "import os, sys; from pathlib import Path\n"
        "from edgeprune.files.whole_file import Reserved\n"
        "with Reserved(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    argv = [sys.executable, "-c", program, str(tmp_path / "out")]
    assert subprocess.run(argv, timeout=300).returncode == -9
    assert len(names(tmp_path)) == 1
    write_whole(tmp_path / "other", "x")
    assert names(tmp_path) == ["other"]


def test_without_locks_a_reserved_name_is_refused_to_others_as_well(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with Reserved(tmp_path / "out") as first:
        with pytest.raises(ConfigError, match="another edgeprune is about to write it"):
            Reserved(tmp_path / "out").__enter__()
        first.write("first")
    assert (tmp_path / "out").read_text() == "first" and names(tmp_path) == ["out"]


@pytest.mark.parametrize("call", ["link", "fchmod"])
def test_a_file_system_without_links_or_permissions_will_do(tmp_path, monkeypatch, call):
    def refused(*_, **__):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, call, refused)
    write_whole(tmp_path / "new", "x")
    write_whole(tmp_path / "new", "y", replace=True)
    assert (tmp_path / "new").read_text() == "y" and names(tmp_path) == ["new"]
