"""Keeps tests away from the user's own folders."""

import os
import signal

import long_files
import pytest
from full_range import TIMES, examples
from hypothesis import HealthCheck, settings
from ssh_rig import rig
from warm_children import Door, Nursery

from edgeprune.files import paths
from edgeprune.models.keras import flavours
from edgeprune.sandbox import parent
from edgeprune.verify import inputs

settings.register_profile(
    "no wall time",
    deadline=None,
    max_examples=examples(30, 100),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("no wall time")


# Who starts the tests in the background, as a shell or nohup does, hands down ignored signals.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


DOOR = "EDGEPRUNE_TEST_NURSERY"
NURSERY = pytest.StashKey()


def pytest_configure(config):
    """One nursery for all workers: each would import two frameworks for itself."""
    flavours.spare_plots()
    if not hasattr(config, "workerinput"):
        config.stash[NURSERY] = Nursery()
        os.environ[DOOR] = config.stash[NURSERY].path


def pytest_unconfigure(config):
    if NURSERY in config.stash:
        config.stash[NURSERY].close()


def pytest_collection_modifyitems(config, items):
    """Leaves out what is marked ``full_range``; ``benchmarks/full_range.py`` runs it."""
    left_out = [item for item in items if item.get_closest_marker("full_range")]
    if left_out and not TIMES:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("full_range")]
    long_files.sort(items)


@pytest.fixture(autouse=True, scope="session")
def own_home(tmp_path_factory):
    """History, bench and host keys in a folder of the tests; built agents where they always are."""
    cache = paths.cache_folder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEPRUNE_CACHE", os.environ.get("EDGEPRUNE_CACHE", str(cache)))
        patch.setenv("EDGEPRUNE_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("EDGEPRUNE_HISTORY", raising=False)
        # Who tests beside us on this machine neither waits for us nor makes us wait.
        patch.setenv("EDGEPRUNE_LOCK_FOLDER", str(tmp_path_factory.mktemp("lock")))
        yield


@pytest.fixture(scope="session")
def nursery():
    """Forks children that have imported TensorFlow."""
    return Door(os.environ[DOOR])


@pytest.fixture(autouse=True)
def warm_children(request, monkeypatch):
    """Children that start at once, but for the sandbox's own tests."""
    if "sandbox" not in request.path.parts:

        def start(plan, env):
            return request.getfixturevalue("nursery").start(plan, env)

        monkeypatch.setattr(parent, "_start", start)


@pytest.fixture(scope="module")
def few_inputs():
    """Two inputs are compared, not 16, where no recipe says how many: emulated boards take long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "COMPARED", 2)
        yield


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A real sshd in a network namespace, with a jump host beside it."""
    with rig(tmp_path_factory.mktemp("rig")) as built:
        yield built


@pytest.fixture
def home(monkeypatch, tmp_path):
    """A home with an empty ``.ssh`` and without an ssh-agent, for one test."""
    (tmp_path / ".ssh").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path / "edgeprune"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path


@pytest.fixture
def handlers():
    """What the command line does with signals, undone at the end."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
