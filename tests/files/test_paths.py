"""Where edgeprune keeps things, for users with odd homes."""

import os
import pwd
from pathlib import Path

import pytest

from edgeprune import cli
from edgeprune.errors import ConfigError
from edgeprune.files import paths


@pytest.fixture
def homeless(monkeypatch):
    """A user whom the system does not know, as in some containers."""
    for name in ("HOME", "EDGEPRUNE_HOME", "EDGEPRUNE_CACHE", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def unknown(uid):
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.parametrize("folder", [paths.data_folder, paths.cache_folder, paths.config_folder])
def test_a_user_without_a_home_is_told_what_to_set(homeless, folder, monkeypatch, tmp_path):
    with pytest.raises(ConfigError, match="set HOME, or EDGEPRUNE_HOME"):
        folder()
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path))
    assert folder().is_relative_to(tmp_path)


def test_commands_of_a_user_without_a_home(homeless, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for argv, code in ((["boards", "rpi4"], 0), (["report", "--history"], 2)):
        with pytest.raises(SystemExit) as done:
            cli.main(argv)
        assert done.value.code == code
        assert len(capsys.readouterr().err.splitlines()) == (1 if code else 0)
    assert os.listdir() == []


def test_links_that_lead_to_themselves_are_a_path_as_others(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert paths.real_path(tmp_path / "a" / "c").is_relative_to(paths.real_path(tmp_path))


def test_nobody_asks_path_resolve_which_breaks_at_such_links():
    package = Path(paths.__file__).parent
    asking = [file for file in package.rglob("*.py") if ".resolve()" in file.read_text()]
    assert asking == []
