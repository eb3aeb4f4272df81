"""Which files begin, so that no worker is left alone with a long file at the end."""

from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
FILES = [
    HERE / name
    for name in (
        "test_wheel.py",
        "test_accuracy_promise.py",
        "test_core_install.py",
        "farm/dask/test_hosts.py",
        "farm/test_hostile_plans.py",
        "farm/test_kills.py",
        "farm/test_postgres.py",
        "docs/test_tutorials.py",
        "load/test_oldest_keras.py",
        "load/test_load.py",
        "packaging/test_action.py",
        "pipeline/test_deploy.py",
        "pipeline/test_host_half.py",
        "pipeline/test_searched.py",
        "searching/test_kills.py",
        "searching/test_session.py",
        "training/test_loop.py",
    )
]
"""They hold few tests that take long."""


def sort(items):
    """These files first, then the others, those with most tests first."""
    tests_of = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path not in FILES, -tests_of[item.path]))
