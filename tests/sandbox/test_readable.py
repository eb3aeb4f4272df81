"""What a child finds on the disk, where it runs no code of the user's."""

import os
import sys
from pathlib import Path

import pytest

import edgeprune
from edgeprune.sandbox import readable
from edgeprune.sandbox.readable import linked, stored_apart


def covers(paths, wanted):
    return any(path == wanted or path in wanted.parents for path in paths)


def test_system_python_and_this_package_are_there_and_the_users_folders_are_not(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), "", *sys.path])
    (tmp_path / ".ssh").mkdir()
    found = readable.readable([])
    for needed in (os.__file__, edgeprune.__file__, sys.prefix, "/usr", "/proc"):
        assert covers(found, Path(needed).resolve()), needed
    for private in (tmp_path, tmp_path / ".ssh", Path("/"), Path("/etc/shadow"), Path("/dev/sda")):
        assert not covers(found, private.resolve()), private
    assert covers(readable.readable([tmp_path / ".ssh"]), tmp_path / ".ssh")


def test_links_in_the_users_data_are_followed_and_too_many_are_told(tmp_path, monkeypatch):
    store = tmp_path / "store"
    (store / "cats").mkdir(parents=True)
    (store / "dog.png").touch()
    data = tmp_path / "data"
    (data / "dogs").mkdir(parents=True)
    (data / "cats").symlink_to(store / "cats")
    (data / "dogs" / "1.png").symlink_to(store / "dog.png")
    assert set(linked(data)) == {store / "cats", store}
    (store / "cats" / "round").symlink_to(data)
    assert set(linked(data)) == {store / "cats", store}
    monkeypatch.setattr(readable, "_MAX_ENTRIES", 2)
    assert linked(data) is None


def test_a_model_in_hugging_faces_cache_is_read_and_other_links_of_a_model_are_not(tmp_path):
    repository = tmp_path / "models--org--net"
    blobs, snapshot = repository / "blobs", repository / "snapshots" / "abc"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    (blobs / "1234").touch()
    (tmp_path / "id_rsa").touch()
    (snapshot / "saved_model.pb").symlink_to("../../blobs/1234")
    (snapshot / "assets").symlink_to(tmp_path / "id_rsa")
    assert stored_apart(snapshot) == [blobs / "1234"]
    assert stored_apart(snapshot / "saved_model.pb") == []


@pytest.mark.parametrize("folder", ["", "missing"])
def test_a_folder_without_links_needs_nothing_more(folder, tmp_path):
    assert linked(tmp_path / folder) == [] == stored_apart(tmp_path / folder)
