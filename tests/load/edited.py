"""Model files that a test has changed, and how loading them fails."""

import json
import shutil

import h5py
import pytest

from edgeprune.errors import ModelError
from edgeprune.load import load


def fails(path, line, kind=ModelError, **options):
    """Loading fails with one line that names the file and matches ``line``."""
    with pytest.raises(kind, match=line) as caught:
        load(path, **options)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def edited(path, target, change):
    """A copy of an HDF5 file whose description or weights were changed."""
    shutil.copy(path, target)
    with h5py.File(target, "r+") as file:
        change(file)
    return target


def with_config(change):
    def edit(file):
        config = json.loads(file.attrs["model_config"])
        change(config["config"]["layers"])
        file.attrs["model_config"] = json.dumps(config)

    return edit
