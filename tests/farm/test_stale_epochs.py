"""Jobs on one real device under leases that follow one another: only the newest brings a result."""

import asyncio

import nets
import pytest
from waits import until

from edgeprune.devices.bench import Bench
from edgeprune.farm.children import Children
from edgeprune.farm.executor import Assignment, Lease
from edgeprune.farm.inventory import inventory
from edgeprune.farm.job import ErrorKind, Job, Kind
from edgeprune.load.digest import digest_of


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """Runs a job of this machine under a lease, as a coroutine."""
    monkeypatch.setenv("EDGEPRUNE_LOCK_FOLDER", str(tmp_path))
    model = tmp_path / "net.tflite"
    model.write_bytes(nets.eligible())
    devices = inventory(Bench(), ["local"])
    (name,) = devices
    executor = Children(devices, tmp_path / "out", None)

    async def run(epoch, sessions=1, runs=5):
        options = {"sessions": sessions, "runs": runs}
        job = Job(
            0, Kind.MEASURE, str(model), digest_of(model), "as-is", "local", name, options=options
        )
        return await executor.run(
            Assignment(f"{epoch:032}", "n", job, Lease(name, epoch, "me"), 300)
        )

    return run


def test_a_newer_lease_ends_an_older_run_whose_host_still_lives(ran, tmp_path):
    async def both():
        older = asyncio.create_task(ran(7, 100, 20_000))
        file = tmp_path / "edgeprune-device.lease"
        await asyncio.to_thread(until, lambda: file.exists() and int(file.read_text() or 0) == 7)
        newer = await ran(8)
        return await older, newer, await ran(6)

    older, newer, late = asyncio.run(both())
    assert newer.run is not None and newer.error_kind is None
    assert older.run is None and older.error_kind is ErrorKind.INFRASTRUCTURE
    assert late.run is None and late.error_kind is ErrorKind.INFRASTRUCTURE
    assert 'lease of epoch 6 is over: epoch 8 has the device": this farm went on' in late.message
    assert late.message.endswith("let both use one history")
    assert older.message.isprintable()
