"""Two schedulers on one real PostgreSQL server, which is killed and started again in between."""

import contextlib
import threading
import time

import pytest
from farm_year import Year, fill
from sqlalchemy import text
from waits import HANG_S, until

from edgeprune.errors import ConfigError
from edgeprune.farm.clock import clock_ms
from edgeprune.farm.dispatcher import Dispatcher, Work
from edgeprune.farm.executor import Ending, Run, Sign
from edgeprune.farm.job import Job, Kind
from edgeprune.farm.store.nights import Night
from edgeprune.history.figures import Figure
from edgeprune.history.place import place
from edgeprune.history.writer import Writer
from edgeprune.morning.site import write_site

pytestmark = pytest.mark.device
JOBS, DEVICES = 24, 4


def work():
    jobs = [Job(k, Kind.MEASURE, "/m", f"{k:064x}", "as-is", "rpi4", None) for k in range(JOBS)]
    return Work(Night("n", "p", "", None), jobs, {f"pi-{k}": "rpi4" for k in range(DEVICES)})


class Host(threading.Thread):
    """A scheduler with devices that are done at once; what it ran stays in ``ran``."""

    def __init__(self, number):
        super().__init__()
        self.writer = Writer(place(), 30.0)
        self.dispatcher = Dispatcher(self.writer, work(), f"host {number}", "lab", clock_ms)
        self.ran, self.breaks = [], 0

    def run(self):
        signs, endings = {f"pi-{k}": Sign(True) for k in range(DEVICES)}, []
        end_s = time.monotonic() + HANG_S
        while time.monotonic() < end_s:
            try:
                turn = self.dispatcher.turn(endings, signs, [], DEVICES, counts=True)
            except ConfigError:
                self.breaks += 1
                time.sleep(0.1)
                continue
            figure = Figure("deployed", "bytes", 1.0, "", "")
            run = Run("pi", "{}", (figure,))
            endings = [(assignment, Ending(run)) for assignment in turn.assignments]
            self.ran += [one.lease for one in turn.assignments]
            if turn.open_jobs is not None and not any(turn.open_jobs.values()):
                break
            self.dispatcher._next_refresh_ms = 0  # look at what the other one did
            if not turn.assignments:
                time.sleep(0.05)
        self.writer.close()


def test_two_schedulers_on_one_database_never_share_a_device(postgres):
    hosts = [Host(1), Host(2)]
    for one in hosts:
        one.dispatcher.begin()
    for one in hosts:
        one.start()
    until(lambda: sum(len(one.ran) for one in hosts) >= DEVICES)
    postgres.kill()
    postgres.start()
    for one in hosts:
        one.join(300)
    leases = [(lease.device, lease.epoch) for one in hosts for lease in one.ran]
    assert len(leases) == len(set(leases))
    assert sum(one.breaks for one in hosts) > 0
    with contextlib.closing(Writer(place())) as writer, writer.transaction() as connection:
        questions = (
            "SELECT count(*) FROM farm_jobs WHERE state = 'done'",
            "SELECT count(DISTINCT job) FROM farm_results",
            "SELECT count(*) FROM runs",
        )
        assert [connection.execute(text(one)).scalar_one() for one in questions] == [JOBS] * 3


def test_the_site_of_a_postgresql_history_is_that_of_a_file(postgres, tmp_path, monkeypatch):
    written = {}
    for name in ("postgres", "file"):
        fill(Year(nights=3, devices=3, models=3, samples=4))
        write_site(tmp_path / name)
        written[name] = {
            page.relative_to(tmp_path / name): page.read_bytes()
            for page in (tmp_path / name).rglob("*.html")
        }
        monkeypatch.delenv("EDGEPRUNE_HISTORY", raising=False)
        monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path / "home"))
    assert len(written["file"]) > 12 and written["postgres"] == written["file"]
