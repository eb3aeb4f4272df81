"""Where edgeprune keeps things, for users with odd homes."""

import os
import pwd

import pytest

from edgeprune import cli, paths
from edgeprune.errors import ConfigError


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
