"""The pass for energy in simulated time; benchmarks/energy_pass.py has real clocks and loads."""

import contextlib
import dataclasses
import io
import re

import pytest
from rich.console import Console
from simulated_device import IDLE_W, LOAD_W, SILENCE_S, Device, Starter

from edgeprune.devices import device as devices
from edgeprune.devices.bench import EnergyPlan
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import MeterTable
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.energy.grid import Grid
from edgeprune.energy.net import Energy, NoEnergy
from edgeprune.errors import ConfigError, DeviceError
from edgeprune.measure import check_meters, watch
from edgeprune.measure.device_state import Sources
from edgeprune.measure.energy import SETTLE_S, measure_energy
from edgeprune.measure.guard import UsedCores
from edgeprune.progress import Progress
from edgeprune.recipe.run_table import RunTable

TABLE = RunTable(warmup=1, repeats=1, energy_window_s=10.0, energy_idle_s=5.0)
FOUR_CORES = UsedCores(4)
ZONE, CLOCK, LIMIT = "/sim/temp", "/sim/scaling_cur_freq", "/sim/scaling_max_freq"


@pytest.fixture
def device():
    return Device()


@contextlib.contextmanager
def local():
    here = devices.Device("local", "local")
    with TRANSPORTS.get("local")(load_board("local"), here) as transport:
        yield transport


def energies(
    device, plan, names=("deployed",), table=TABLE, say=lambda line: None, used=FOUR_CORES
):
    with local() as transport:
        starter = Starter(device, transport, table)
        found = measure_energy(starter, plan, names, used, say)
    assert list(found) == list(names)
    return list(found.values())


def hwmon(folder):
    return EnergyPlan((MeterTable("hwmon", at=str(folder)),), True)


def csv(log, *rest):
    return EnergyPlan((MeterTable("csv", at=str(log)),), True, *rest)


def assert_follows_the_work(found):
    assert isinstance(found, Energy), found
    expected_uj = (LOAD_W - IDLE_W) * found.window_s / found.inferences * 1e6
    assert found.net_uj == pytest.approx(expected_uj, rel=0.005)
    assert found.window_s == pytest.approx(10.0)
    assert (found.idle_before_w, found.idle_after_w) == pytest.approx((IDLE_W, IDLE_W), rel=0.001)


def test_the_wait_tells_what_all_windows_take(device, tmp_path):
    counts = []
    with device.ina219(tmp_path), Progress(Console(file=io.StringIO())) as progress:
        progress.count = counts.append
        energies(device, hwmon(tmp_path), ("dense", "deployed"))
    told = [(count.text, count.done, count.total, count.left_s) for count in counts]
    each_s = 3 * SETTLE_S + 2 * TABLE.energy_idle_s + TABLE.energy_window_s
    assert told == [
        ("dense: energy by hwmon", 0, 2, 2 * each_s),
        ("deployed: energy by hwmon", 1, 2, each_s),
    ]


def test_each_variant_is_loaded_into_a_process_of_its_own(device, tmp_path):
    with device.ina219(tmp_path), local() as transport:
        starter = Starter(device, transport, TABLE)
        measure_energy(starter, hwmon(tmp_path), ("a", "b"), UsedCores(4), lambda line: None)
    assert [name for _, name in starter.loaded] == ["a", "b"]
    agents = [agent for agent, _ in starter.loaded]
    assert agents[0] is not agents[1]
    for agent in agents:  # what warms up is not in the window
        assert agent.timed == [(1, 1, TABLE.amount().max_s), (0, 1_000_000, 10.0)]


def test_a_sensor_on_the_device_is_sampled_beside_the_inferences(device, tmp_path):
    with device.ina219(tmp_path):
        dense, deployed = energies(device, hwmon(tmp_path), ("dense", "deployed"))
    for found in (dense, deployed):
        assert_follows_the_work(found)
        assert (found.sensor, found.tier) == ("hwmon ina219:1", "measured-onboard")


def test_a_lab_meters_log_is_read_on_the_clock_of_the_host(device, tmp_path):
    log = tmp_path / "log.csv"
    with device.csv_log(log):
        (found,) = energies(device, csv(log, "", Grid(100.0, "here")))
    assert_follows_the_work(found)
    assert (found.tier, found.grid.g_per_kwh) == ("measured-external", 100.0)
    assert found.notes == (), "the two clocks were told apart by asking, not by the load"


def test_the_clocks_are_told_apart_by_the_quickest_of_several_answers(device, tmp_path):
    device.late_s = [0.9, 0.5, 0.0, 0.7]
    log = tmp_path / "log.csv"
    with device.csv_log(log):
        (found,) = energies(device, csv(log))
    assert_follows_the_work(found)
    assert found.notes == (), "an answer that is 0.5 s late would have the clock set right"


def test_a_window_that_a_neighbour_disturbed_gives_no_figure(device, tmp_path):
    device.neighbour = 0.5
    with device.ina219(tmp_path):
        (found,) = energies(device, hwmon(tmp_path))
    assert isinstance(found, NoEnergy)
    assert found.reason.startswith(
        "2 windows were not valid; the last one contaminated: another process had the core for 50%"
    )
    first, second = (one for one in device.inferring if one[1] - one[0] > 1)
    between_s = 3 * SETTLE_S + 2 * TABLE.energy_idle_s
    assert second[0] - first[1] == pytest.approx(between_s, abs=0.1), "nothing has to cool"


class NoWaits(Device):
    """An old kernel does not say how long a process waited for its core."""

    def text(self, path, at_s):
        return None if path.endswith("/schedstat") else super().text(path, at_s)


@pytest.mark.parametrize("is_pinned", [False, True])
def test_where_waits_are_not_known_a_neighbour_counts_if_no_core_is_left(tmp_path, is_pinned):
    device = NoWaits()
    device.neighbour = 0.5
    with device.ina219(tmp_path):
        (found,) = energies(device, hwmon(tmp_path), used=UsedCores(4, is_pinned=is_pinned))
    if is_pinned:
        assert "contaminated: other processes took 50%" in found.reason
    else:
        assert_follows_the_work(found)


class Noisy(Device):
    """Every other inference takes three times as long as the one before it."""

    def infer(self, seconds):
        timing = super().infer(seconds)
        half = timing.latency_ns[: len(timing.latency_ns) // 2]
        mixed = (*(value // 2 for value in half), *(value * 3 // 2 for value in half))
        return dataclasses.replace(timing, latency_ns=mixed or timing.latency_ns)


def test_single_inferences_may_differ_for_a_mean_over_the_window_bears_them(tmp_path):
    device, said = Noisy(), []
    with device.ina219(tmp_path):
        (found,) = energies(device, hwmon(tmp_path), say=said.append)
    assert_follows_the_work(found)
    assert not any("again" in line for line in said)


def test_a_window_is_measured_again_once_the_neighbour_is_gone(device, tmp_path):
    device.neighbour, said = 0.5, []

    def say(line):
        said.append(line)
        if line.startswith("deployed: measuring energy again: contaminated"):
            device.neighbour = 0.0

    with device.ina219(tmp_path):
        (found,) = energies(device, hwmon(tmp_path), say=say)
    assert_follows_the_work(found)
    assert sum("energy again" in line for line in said) == 1


class Hot(Device):
    """Falls to two thirds of its pinned clock while it first infers, until it has cooled."""

    def infer(self, seconds):
        if seconds > 1 and self.clock_hz == 1.8e9 and self._cool not in self.clock.passing:
            self.clock_hz, self.temperature_c = 1.2e9, 80.0
            found = super().infer(seconds)
            self.clock.passing.append(self._cool)
            return found
        return super().infer(seconds)

    def _cool(self, from_s, to_s):
        self.temperature_c = max(50.0, self.temperature_c - 0.5 * (to_s - from_s))
        self.clock_hz = 1.8e9 if self.temperature_c < 70 else 1.2e9


def test_a_device_that_throttled_cools_before_its_window_is_measured_again(tmp_path, monkeypatch):
    device, said = Hot(), []
    sources = Sources((ZONE,), (CLOCK,), LIMIT, "performance", True, True, False, (), "/proc", ())
    monkeypatch.setattr(watch, "find_sources", lambda *_: sources)
    table = dataclasses.replace(TABLE, cooldown_min_s=1.0, cooldown_max_s=300.0)
    with device.ina219(tmp_path):
        (found,) = energies(device, hwmon(tmp_path), table=table, say=said.append)
    assert_follows_the_work(found)
    assert "throttled: the clock was 1200 MHz, 67% of the pinned 1800 MHz" in said[-1]
    first, second = (one for one in device.inferring if one[1] - one[0] > 1)
    assert second[0] - first[1] > (80 - 52) / 0.5, "it is as cool as at the start again"
    beside = [at_s for at_s, _ in device.commands if first[0] < at_s < first[1]]
    assert device.commands and not beside, "a command would draw power of its own"


class AlwaysHot(Device):
    """Falls to two thirds of its clock as soon as it infers, and never cools again."""

    def infer(self, seconds):
        if seconds > 1:
            self.clock_hz, self.temperature_c = 1.2e9, 80.0
        return super().infer(seconds)


def test_a_device_has_to_cool_to_where_it_was_before_the_first_window(tmp_path, monkeypatch):
    device = AlwaysHot()
    sources = Sources((ZONE,), (CLOCK,), LIMIT, "performance", True, True, False, (), "/proc", ())
    monkeypatch.setattr(watch, "find_sources", lambda *_: sources)
    table = dataclasses.replace(TABLE, repeats=2, cooldown_min_s=1.0, cooldown_max_s=20.0)
    with device.ina219(tmp_path):
        (found,) = energies(device, hwmon(tmp_path), table=table)
    assert found.reason.startswith("3 windows were not valid; the last one throttled")
    first, second, third = (one for one in device.inferring if one[1] - one[0] > 1)
    assert third[0] - second[1] == pytest.approx(second[0] - first[1])
    assert second[0] - first[1] > 20
    assert device.now_s() - third[1] < 20, "nothing is measured behind the last one"


@pytest.mark.parametrize("clock_error_s", [0.6, -0.6])
def test_a_lab_meters_clock_that_is_off_is_set_right_by_the_load(device, tmp_path, clock_error_s):
    log = tmp_path / "log.csv"
    with device.csv_log(log, clock_error_s):
        (found,) = energies(device, csv(log))
    assert_follows_the_work(found)
    told = re.match(r"the meter's clock was (\S+) s off", found.notes[0])
    assert float(told[1]) == pytest.approx(clock_error_s, abs=0.02)


def test_a_lab_meters_clock_that_is_far_off_gives_no_figure(device, tmp_path):
    log = tmp_path / "log.csv"
    with device.csv_log(log, 1.5):
        (found,) = energies(device, csv(log))
    assert isinstance(found, NoEnergy)
    assert found.reason.startswith("log.csv (Voltage (V) x Current (mA)): its load begins 1 s")


class Late(Device):
    """Its power follows its load half a second later."""

    def power_w(self, at_s):
        return super().power_w(at_s - 0.5)


def test_a_sensor_that_shares_the_devices_clock_is_not_shifted(tmp_path):
    device = Late()
    with device.ina219(tmp_path):
        (found,) = energies(device, hwmon(tmp_path))
    assert isinstance(found, Energy) and found.notes == ()


def test_the_first_meter_of_the_board_that_is_there_is_taken(device, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with device.ina219(tmp_path):
        tables = (MeterTable("powercap", at=str(empty)), MeterTable("hwmon", at=str(tmp_path)))
        (found,) = energies(device, EnergyPlan(tables))
    assert_follows_the_work(found)


def test_a_board_without_its_sensor_gives_the_reason_and_no_number(device, tmp_path):
    plan = EnergyPlan((MeterTable("powercap", at=str(tmp_path)),))
    (found,) = energies(device, plan)
    assert isinstance(found, NoEnergy)
    assert found.reason.startswith(f"powercap: {tmp_path} on the device has no intel-rapl package")


def test_a_board_without_meters_gives_its_own_reason(device):
    missing = load_board("rpi4").meters.missing
    assert "Joulescope" in missing
    assert energies(device, EnergyPlan(missing=missing)) == [NoEnergy(missing)]


def test_a_log_that_stops_ends_no_run(device, tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("Time (s),Power (W)\n1800000000,1\n")
    (found,) = energies(device, csv(log))
    assert isinstance(found, NoEnergy) and "is the meter logging" in found.reason
    start_s, end_s = device.inferring[-1]
    assert end_s - start_s == pytest.approx(10.0), "no longer, where its period is not known"


def slow_log(path, period_s):
    rows = (f"{1_800_000_000 + k * period_s},1\n" for k in range(3))
    path.write_text("Time (s),Power (W)\n" + "".join(rows))


def test_a_slow_sensor_has_the_longest_stretches_that_agents_outlast(device, tmp_path):
    log = tmp_path / "log.csv"
    slow_log(log, 4)
    with Progress(Console(file=io.StringIO())) as progress:
        counts, progress.count = [], lambda count: counts.append(count)
        energies(device, csv(log))
    assert [count.left_s for count in counts] == [3 * SETTLE_S + 3 * 240.0]
    start_s, end_s = device.inferring[-1]
    assert end_s - start_s == pytest.approx(240.0)


def test_what_was_measured_before_a_meter_failed_is_kept(device, tmp_path):
    def say(line):
        if line.startswith("deployed"):
            device.clock.sleep(SILENCE_S + 1)

    log = tmp_path / "log.csv"
    with device.csv_log(log):
        dense, deployed = energies(device, csv(log), ("dense", "deployed"), say=say)
    assert_follows_the_work(dense)
    assert deployed == NoEnergy("the agent ended")


def test_a_sensor_that_is_too_slow_is_not_waited_for(device, tmp_path):
    log = tmp_path / "log.csv"
    slow_log(log, 5)
    with Progress(Console(file=io.StringIO())) as progress:
        counts, progress.count = [], lambda count: counts.append(count)
        (found,) = energies(device, csv(log))
    assert found.reason == "csv: it has a new value every 5 s, expected one every 4 s at least"
    assert [count.left_s for count in counts] == [0.0] and not device.inferring


def test_a_device_whose_state_cannot_be_read_has_its_energy_all_the_same(
    device, tmp_path, monkeypatch
):
    def unreadable(*_):
        raise DeviceError("no /proc")

    monkeypatch.setattr(watch, "find_sources", unreadable)
    device.neighbour = 0.5  # which nobody can tell
    with device.ina219(tmp_path):
        (found,) = energies(device, hwmon(tmp_path))
    assert_follows_the_work(found)


def test_the_reason_why_there_is_no_meter_is_no_longer_than_two_lines(device):
    (found,) = energies(device, EnergyPlan((MeterTable("csv", at="/log" * 1000),), True))
    assert found.reason.startswith("csv: /log/log") and len(found.reason) == 300


def test_a_named_meter_on_the_host_is_looked_for_before_anything_takes_long(tmp_path):
    with local() as transport:
        check_meters(EnergyPlan((MeterTable("hwmon"),), True), transport)
        with pytest.raises(ConfigError, match=r"gone\.csv: cannot be read"):
            gone = MeterTable("csv", at=str(tmp_path / "gone.csv"))
            check_meters(EnergyPlan((gone,), True), transport)
        with pytest.raises(ConfigError, match="no meter is called 'wattson'; there are: android"):
            check_meters(EnergyPlan((MeterTable("wattson"),), True), transport)


def test_agents_that_only_watch_are_asked_often_enough_to_stay(device, tmp_path):
    def say(line):
        device.neighbour = 0.5 if line.startswith("deployed") else 0.0

    log, table = tmp_path / "log.csv", dataclasses.replace(TABLE, repeats=0, energy_idle_s=170.0)
    with device.csv_log(log, period_s=0.1):
        dense, deployed = energies(device, csv(log), ("dense", "deployed"), table, say)
    assert_follows_the_work(dense)
    assert isinstance(deployed, NoEnergy)
    assert "the last one contaminated" in deployed.reason, "the rules hold for every variant"
