import subprocess
import sys

import pytest

from edgeprune.data import memory
from edgeprune.errors import ModelError

LEFT = """
import resource
from edgeprune.data import memory
free = memory.limit_bytes()
for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
    before = resource.getrlimit(kind)
    held = memory._held_bytes({resource.RLIMIT_AS: 0, resource.RLIMIT_DATA: 5}[kind])
    resource.setrlimit(kind, (held + 200_000_000, before[1]))
    assert 0.3 * 200e6 < memory.limit_bytes() <= 0.5 * 200e6, memory.limit_bytes()
    resource.setrlimit(kind, before)
    assert memory.limit_bytes() > 200e6 or free <= 200e6
"""


def test_the_limits_of_the_process_count():
    subprocess.run([sys.executable, "-c", LEFT], check=True, timeout=300)


def test_a_container_with_less_memory_than_the_machine_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    monkeypatch.setattr(memory, "_machine_bytes", lambda: 1e12)
    monkeypatch.setattr(memory, "_process_bytes", lambda: float("inf"))
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("400000\n")
    assert memory.limit_bytes() == 300_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.limit_bytes() == 500_000_000_000


def test_what_fits_passes_and_what_does_not_says_how_much_it_is(monkeypatch):
    monkeypatch.setattr(memory, "limit_bytes", lambda: 2_000_000)
    memory.check_fits("d", "4 images", 2_000_000)
    with pytest.raises(ModelError, match=r"d: 4 images need 2.01 MB of memory, .* 2 MB here"):
        memory.check_fits("d", "4 images", 2_010_000)
