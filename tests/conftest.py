"""Keeps tests away from the user's own folders."""

import os

import pytest

from edgeprune import paths


@pytest.fixture(autouse=True, scope="session")
def own_home(tmp_path_factory):
    """History, bench and host keys in a folder of the tests; built agents where they always are."""
    cache = paths.cache_folder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEPRUNE_CACHE", os.environ.get("EDGEPRUNE_CACHE", str(cache)))
        patch.setenv("EDGEPRUNE_HOME", str(tmp_path_factory.mktemp("home")))
        yield
