"""The examples in docstrings hold."""

import doctest
import importlib
from pathlib import Path

import pytest

import edgeprune

FOLDER = Path(edgeprune.__file__).parent
FILES = [file for file in sorted(FOLDER.rglob("*.py")) if ">>> " in file.read_text("utf-8")]


def module_of(file):
    parts = file.relative_to(FOLDER.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("name", [module_of(file) for file in FILES])
def test_what_an_example_gives_is_what_stands_below_it(name):
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted and not found.failed
