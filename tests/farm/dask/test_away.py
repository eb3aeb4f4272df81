"""Hosts that took part lately and did not come are missed by name."""

import pytest

from edgeprune.farm import run
from edgeprune.farm.dispatcher import Work
from edgeprune.farm.store import devices
from edgeprune.farm.store.devices import REMEMBERED_MS, Presence
from edgeprune.farm.store.nights import Night
from edgeprune.history.farm_tables import DEVICES
from edgeprune.history.place import place
from edgeprune.history.writer import Writer

NOW_MS = 1_790_000_000_000
KNOWN = {
    "pi@lab1": ("rpi4", 0),
    "pi@lab2": ("rpi4", 0),
    "pi-2@lab2": ("rpi4", 0),
    "phone@lab2": ("pixel-8", 0),
    "pi@old": ("rpi4", 2 * REMEMBERED_MS),
    "desk-pi": ("rpi4", 0),
}


@pytest.fixture
def writer(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path))
    monkeypatch.setattr(run, "clock_ms", lambda _: NOW_MS)
    made = Writer(place())
    with made.transaction() as connection:
        rows = [(name, board, name.rpartition("@")[2]) for name, (board, _) in KNOWN.items()]
        devices.register(connection, rows, NOW_MS)
        for name, (_, age_ms) in KNOWN.items():
            devices.set_presence(connection, name, Presence.ONLINE, "", NOW_MS - age_ms)
    yield made
    made.close()


def test_a_host_that_did_not_come_is_told_and_its_devices_are_offline(writer):
    work = Work(Night("n", "p", "", None), [], {"pi@lab1": "rpi4"}, hosts={"pi@lab1": "lab1"})
    told = run._missed(writer, work)
    assert told == ["lab2 is not there: nothing waits for pi-2@lab2, pi@lab2"]
    with writer.transaction() as connection:
        rows = connection.execute(DEVICES.select().where(DEVICES.c.state == "offline"))
        offline = {row.device: row.state_message for row in rows}
    why = "the host lab2 is not there"
    assert offline == {"pi@lab2": why, "pi-2@lab2": why}
