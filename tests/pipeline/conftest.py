"""Where the whole line is tried: a folder with a small network and a recipe that is soon done."""

import nets
import pytest
from fast_recipe import FAST


@pytest.fixture
def folder(home, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.tflite").write_bytes(nets.eligible())
    (tmp_path / "fast.toml").write_text(FAST)
    return tmp_path
