"""Keras is imported without what edgeprune never asks it for; others can have it afterwards."""

import contextlib
import importlib
import os
import sys

import pytest

from edgeprune.models.keras import flavours

PROGRAM = """
import sys
left = {"matplotlib", "sklearn"} & set(sys.modules)
import keras, tf_keras
assert not left, left
import matplotlib.pyplot, sklearn.base
"""


def test_plots_and_estimators_are_not_imported_and_can_be_later(nursery, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    child = nursery.program(str(tmp_path / "program.py"), "", dict(os.environ))
    with contextlib.closing(child):
        assert child.wait(300) == 0, child.stderr.read()


@pytest.fixture
def spared(monkeypatch):
    """A module that stands for them, not imported yet."""
    monkeypatch.setattr(flavours, "_spares", [])
    monkeypatch.setattr(flavours, "_SPARED", ("this",))
    monkeypatch.delitem(sys.modules, "this", raising=False)
    return "this"


def test_only_what_a_process_of_our_own_says_it_spares_is_hidden(spared, capsys):
    with flavours._spared():
        assert importlib.util.find_spec(spared)
    flavours.spare_plots()
    with flavours._spared(), pytest.raises(ModuleNotFoundError):
        importlib.import_module(spared)
    importlib.import_module(spared)
    with flavours._spared():
        assert importlib.import_module(spared) is sys.modules[spared]
