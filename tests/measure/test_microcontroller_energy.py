"""Energy of a microcontroller: real firmware in QEMU, simulated time, and a log of its power."""

import pytest
from int8_layers import random_layer
from microcontroller import session
from simulated_device import IDLE_W, LATENCY_S, LOAD_W, Device

from edgeprune.devices.bench import EnergyPlan
from edgeprune.devices.device import MeterTable
from edgeprune.energy.grid import Grid
from edgeprune.energy.net import POLLS, Energy, NoEnergy
from edgeprune.errors import ConfigError
from edgeprune.firmware.plan import compiled
from edgeprune.measure import check_meters
from edgeprune.measure.microcontroller_energy import measure_energy
from edgeprune.recipe.run_table import RunTable
from edgeprune.report.energy import stored_energy

pytestmark = pytest.mark.device
TABLE = RunTable(energy_window_s=10.0, energy_idle_s=5.0)
TICK_HZ, PAUSE_S = 25_000_000, 0.02
PLANS = {"dense": compiled(random_layer(2, "CONV_2D").tflite, "dsp").data}


class OnDesk:
    """The firmware's session, with the time and the power of a board on a desk."""

    def __init__(self, talk, device):
        self.hello, self.store, self.load = talk.hello, talk.store, talk.load
        self._talk, self._device, self.loops = talk, device, []
        self.most_runs = 256

    def loop(self, runs, work_s):
        assert self._talk.loop(min(runs, 2), 60.0) > 0
        self._device.infer(runs * LATENCY_S)
        self._device.clock.sleep(PAUSE_S)
        self.loops.append(runs)
        return round(LATENCY_S * TICK_HZ)


def measured(meters, device, said=None, plans=PLANS, loops=None):
    with session() as talk:
        desk = OnDesk(talk, device)
        plan = EnergyPlan(meters, True, "buy one", Grid(100.0, "here"))
        say = said.append if said is not None else lambda line: None
        found = measure_energy(desk, plans, TICK_HZ, plan, TABLE, say, device.clock)
        if loops is not None:
            loops += desk.loops
    assert list(found) == list(plans)
    return found


def test_an_inference_takes_the_windows_power_for_its_own_time(tmp_path):
    device, log, said, loops = Device(ahead_s=0.0), tmp_path / "log.csv", [], []
    with device.csv_log(log):
        (found,) = measured((MeterTable("csv", at=str(log)),), device, said, loops=loops).values()
    assert isinstance(found, Energy)
    busy = 256 * LATENCY_S / (256 * LATENCY_S + PAUSE_S)
    mean_w = LOAD_W * busy + IDLE_W * (1 - busy)
    assert found.gross_uj == pytest.approx(mean_w * LATENCY_S * 1e6, rel=0.01)
    assert found.gross_uj > 0.95 * LOAD_W * LATENCY_S * 1e6
    assert found.idle_uj == pytest.approx(IDLE_W * LATENCY_S * 1e6, rel=0.01)
    assert (found.window_s, found.inferences) == (pytest.approx(10.0), 10_000)
    assert POLLS in found.notes and said == ["dense: energy by csv"]
    assert loops[0] == 2 and set(loops[1:]) == {256}
    stored = stored_energy(found)
    assert (stored.per_inference, stored.idle_subtracted) == (found.gross_uj, False)
    assert stored.co2e.g_per_million_inferences == pytest.approx(found.gross_uj / 3.6e6 * 100)


def test_firmware_that_takes_more_when_it_polls_still_has_a_figure(tmp_path):
    class Polling(Device):
        def power_w(self, at_s):
            return 7.0 - super().power_w(at_s)  # less while it infers

    device, log = Polling(ahead_s=0.0), tmp_path / "log.csv"
    with device.csv_log(log):
        (found,) = measured((MeterTable("csv", at=str(log)),), device).values()
    assert isinstance(found, Energy) and found.net_uj < 0 < found.gross_uj


def test_without_a_meter_there_is_no_figure_but_the_reason():
    assert measured((), Device())["dense"] == NoEnergy("buy one")


def test_a_meter_that_is_not_there_ends_no_run(tmp_path):
    (found,) = measured((MeterTable("csv", at=str(tmp_path / "none.csv")),), Device()).values()
    assert isinstance(found, NoEnergy) and "none.csv" in found.reason


def test_a_meter_that_reads_files_of_the_device_is_refused_where_there_are_none():
    with pytest.raises(ConfigError, match="hwmon reads files of the device, and a microcontroller"):
        check_meters(EnergyPlan((MeterTable("hwmon"),), True), None)
