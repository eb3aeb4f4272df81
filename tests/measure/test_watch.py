"""The guard on real inputs: the real agent reads a fake sysfs tree, fake commands, this /proc."""

import contextlib
import dataclasses
import os

import nets
import pytest
from neighbour import neighbour
from waits import lines, until

from edgeprune import verify
from edgeprune.agents import build, runtime
from edgeprune.agents.start import start_agent
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.measure import DeviceFiles, RunPlan, run
from edgeprune.measure import watch as watching
from edgeprune.measure.device_state import find_sources
from edgeprune.measure.reading import parse_reading
from edgeprune.measure.watch import Watch
from edgeprune.meters.base import Row
from edgeprune.recipe.run_table import RunTable

QUICK = RunTable(
    sessions=2, timed_s=0.25, warmup=1, repeats=1, cooldown_min_s=0.0, cooldown_max_s=0.3
)


class Tree:
    """A device's /sys with two zones and two cores, the machine's own /proc, and its commands."""

    def __init__(self, folder):
        self.root = folder / "root"
        self.commands = folder / "commands"
        self.commands.mkdir(parents=True)
        self.write("sys/class/thermal/thermal_zone0/type", "cpu-thermal")
        self.write("sys/class/thermal/thermal_zone1/type", "battery")
        self.write("sys/class/thermal/thermal_zone1/temp", "99000")
        self.heat(50)
        for cpu in (0, 1):
            self.write(self.cpufreq(cpu, "scaling_max_freq"), "1800000")
            self.write(self.cpufreq(cpu, "scaling_governor"), "performance")
            self.write(self.cpufreq(cpu, "scaling_driver"), "cpufreq-dt")
        self.clock(1800)
        (self.root / "proc").symlink_to("/proc")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_text(text + "\n")
        part.replace(path)

    def cpufreq(self, cpu, name):
        return f"sys/devices/system/cpu/cpu{cpu}/cpufreq/{name}"

    def heat(self, degrees_c):
        self.write("sys/class/thermal/thermal_zone0/temp", str(degrees_c * 1000))

    def clock(self, mhz):
        for cpu in (0, 1):
            self.write(self.cpufreq(cpu, "scaling_cur_freq"), str(mhz * 1000))

    def command(self, name, text):
        path = self.commands / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    made = Tree(tmp_path)
    monkeypatch.setenv("PATH", f"{made.commands}:{os.environ['PATH']}")
    return made


@contextlib.contextmanager
def local():
    with TRANSPORTS.get("local")(load_board("local"), Device("local", "local")) as transport:
        yield transport


@contextlib.contextmanager
def watched(tree, cpus=()):
    with local() as transport, start_agent(transport, str(build.agent("host"))) as agent:
        yield Watch(agent, find_sources(transport, cpus, str(tree.root))), agent


def measured(
    folder, monkeypatch, tree=None, cpus=(), table=QUICK, names=("dense",), said=lambda line: None
):
    """The whole stage on this machine, with the tree in place of /sys where one is given."""
    if tree is not None:
        find = find_sources
        monkeypatch.setattr(
            watching, "find_sources", lambda way, cpus: find(way, cpus, str(tree.root))
        )
    board, tflite = load_board("local"), nets.eligible()
    (folder / "net.tflite").write_bytes(tflite)
    pushed = DeviceFiles(
        str(build.agent("host")),
        str(runtime.library(board.cpu.isa, board.runtime.version).path),
        board.runtime.version,
        dict.fromkeys(names, str(folder / "net.tflite")),
        tuple(cpus),
    )
    samples = dict.fromkeys(names, verify.sample_inputs(tflite, None, 1))
    with local() as transport:
        files = dict.fromkeys(names, tflite)
        return run(transport, pushed, RunPlan(table, samples, files, said))[0]


def test_a_reading_has_what_the_tree_and_the_commands_say(tree):
    tree.command("vcgencmd", "echo throttled=0x50000")
    tree.command(
        "dumpsys",
        "case $1 in thermalservice) echo 'Thermal Status: 2';; battery) "
        "printf '  AC powered: false\\n  USB powered: true\\n  level: 87\\n';; esac",
    )
    with watched(tree, cpus=(0, 1)) as (watch, _):
        found = watch.read()
    assert (found.temperature_c, found.frequency_hz, found.limit_hz) == (50.0, 1.8e9, 1.8e9)
    assert (found.throttle_bits, found.thermal_status) == (0x50000, 2)
    assert (found.battery_percent, found.on_mains) == (87.0, True)
    assert found.cores == 2 and found.busy_s > 0 and found.load_1min >= 0


def test_what_a_device_lacks_is_null_and_named(tmp_path, monkeypatch):
    (tmp_path / "proc").mkdir()
    with local() as transport:
        monkeypatch.setenv("PATH", "/usr/bin:/bin")
        sources = find_sources(transport, (), str(tmp_path))
        with start_agent(transport, str(build.agent("host"))) as agent:
            watch = Watch(agent, sources)
            watch.begin(agent.hello().pid, 0.1)
            state = watch.end(agent.clock_s() - 1, agent.clock_s())
    named = [line.partition(":")[0] for line in state.not_read]
    assert named == [
        "temperature", "clock", "throttling bits", "thermal status and battery",
        "waiting for a core", "CPU time of others",
    ]  # fmt: skip
    told = {key: value for key, value in vars(state).items() if value is not None}
    assert set(told) == {"readings", "not_read"}


@pytest.mark.parametrize("may_command", [True, False])
def test_no_command_runs_beside_inferences_whose_energy_is_measured(tree, tmp_path, may_command):
    asked = tmp_path / "asked"
    tree.command("vcgencmd", f"echo x >> {asked}; echo throttled=0x0")
    with watched(tree) as (watch, agent):
        begin_s = agent.clock_s()
        watch.begin(os.getpid(), 4.0, may_command=may_command)
        until(lambda: lines(asked) >= (2 if may_command else 1))
        state = watch.end(begin_s, begin_s + 1000)
    assert state.throttle_bits_seen == 0 and state.readings >= 1
    assert lines(asked) > 2 if may_command else lines(asked) == 2, "before and after"


def test_commands_that_refuse_are_null_and_named(tree):
    for name in ("vcgencmd", "dumpsys"):
        tree.command(name, "echo 'not permitted'; exit 1")
    with watched(tree) as (watch, agent):
        watch.begin(agent.hello().pid, 0.1)
        state = watch.end(agent.clock_s() - 1, agent.clock_s())
    assert state.throttle_bits_seen is None and state.thermal_status_highest is None
    lines = " ".join(state.not_read)
    assert "vcgencmd gave none" in lines and "dumpsys gave none" in lines


def test_a_watch_whose_agent_is_gone_says_so_and_ends_no_session(tree):
    with watched(tree) as (watch, agent):
        watch.begin(1, 0.1)
        agent.close()
        state = watch.end(0.0, 1.0)
    assert state.not_read[0].startswith("the whole state: ")


def test_a_battery_zone_is_no_processors_and_a_driver_may_leave_the_clock_floating(tree):
    with local() as transport:
        assert [z[-21:] for z in find_sources(transport, (), str(tree.root)).zones] == [
            "al/thermal_zone0/temp"
        ]
        assert find_sources(transport, (1,), str(tree.root)).is_pinned
        assert not find_sources(transport, (), str(tree.root)).is_pinned
        tree.write(tree.cpufreq(1, "scaling_driver"), "intel_pstate")
        assert not find_sources(transport, (1,), str(tree.root)).is_pinned


def test_garbage_in_every_file_is_null_and_never_a_number(tree):
    with local() as transport:
        sources = find_sources(transport, (0,), str(tree.root))
    texts = ["rubbish"] * len(sources.files(1))
    found = parse_reading(Row(1.0, tuple(texts)), sources)
    assert {value for key, value in vars(found).items() if key not in ("time_s", "cores")} == {None}


def test_sessions_in_peace_are_valid_and_carry_the_readings(tree, tmp_path, monkeypatch):
    result = measured(tmp_path, monkeypatch, tree, cpus=(0,))
    states = [one.state for one in result.measured[0].sessions]
    assert all(one.frequency_hz == one.pinned_hz == 1.8e9 for one in states)
    assert all(one.readings >= 1 and one.temperature_before_c == 50 for one in states)
    assert result.timed.order[:2] == ("dense", "dense")
    assert all(one.verdict != "throttled" for one in result.measured[0].sessions)


def test_a_clock_that_falls_during_a_session_throttles_it_and_it_is_made_again(
    tree, tmp_path, monkeypatch
):
    """The first sessions run hot and slow; cooling brings the device back."""
    tree.clock(1200)
    tree.heat(80)

    def cools(line):
        if "cooling" in line:
            tree.clock(1800)
            tree.heat(50)

    result = measured(tmp_path, monkeypatch, tree, cpus=(0,), said=cools)
    verdicts = [one.verdict for one in result.measured[0].sessions]
    assert verdicts[:2] == ["throttled", "throttled"], "both ran at 1200 of 1800 MHz"
    assert "throttled" not in verdicts[2:] and len(verdicts) == 4
    assert "1200 MHz, 67% of the pinned" in result.measured[0].sessions[0].reason
    assert result.timed.repeats == 1 and "cooled for" in result.timed.notes[0]


def test_throttling_bits_that_come_up_during_a_session_are_found(tree, tmp_path, monkeypatch):
    flag = tmp_path / "asked"
    tree.command(
        "vcgencmd",
        f"echo x >> {flag}; [ $(wc -l < {flag}) -gt 2 ] && echo throttled=0x40000 "
        "|| echo throttled=0x0",
    )
    table = RunTable(sessions=1, timed_s=0.1, warmup=1, repeats=0)
    result = measured(tmp_path, monkeypatch, tree, table=table)
    (one,) = result.measured[0].sessions
    assert one.verdict == "throttled" and "new bits 0x40000" in one.reason
    assert (one.state.throttle_bits_before, one.state.throttle_bits_seen) == (0, 0x40000)


def test_a_thermal_status_that_rises_during_a_session_is_found(tree, tmp_path, monkeypatch):
    flag = tmp_path / "asked"
    tree.command(
        "dumpsys",
        f"[ $1 = battery ] && exit; echo x >> {flag}; "
        f"[ $(wc -l < {flag}) -gt 2 ] && echo 'Thermal Status: 1' || echo 'Thermal Status: 0'",
    )
    table = RunTable(sessions=1, timed_s=0.1, warmup=1, repeats=0)
    result = measured(tmp_path, monkeypatch, tree, table=table)
    (one,) = result.measured[0].sessions
    assert one.verdict == "throttled" and "status rose from 0 to 1" in one.reason


def test_a_device_that_stays_hot_is_waited_for_only_so_long(tree, tmp_path, monkeypatch):
    tree.clock(1200)

    def said(line):
        if "cooling" in line:  # however late: the first session began with 50 C
            tree.heat(70)

    result = measured(tmp_path, monkeypatch, tree, cpus=(0,), said=said)
    assert all(one.verdict == "throttled" for one in result.measured[0].sessions)
    assert "the longest allowed, and is still at 70.0 C, 20.0 C above" in result.timed.notes[0]


def all_are_contaminated(result):
    for item in result.measured:
        assert [one.verdict for one in item.sessions] == ["contaminated"] * len(item.sessions)
        assert len(item.sessions) == 4, "all were made again, once"
        assert all("another process had the core" in one.reason for one in item.sessions)
    assert result.timed.order == ("dense", "deployed", "deployed", "dense") * 2


def test_a_neighbour_on_the_same_core_contaminates(tmp_path, monkeypatch):
    def beside_a_neighbour(row, sources):
        reading = parse_reading(row, sources)
        return dataclasses.replace(reading, waited_s=reading.time_s / 2, busy_s=reading.time_s)

    monkeypatch.setattr(watching, "parse_reading", beside_a_neighbour)
    all_are_contaminated(measured(tmp_path, monkeypatch, names=("dense", "deployed")))


@pytest.mark.full_range
def test_a_real_neighbour_on_the_same_core_contaminates(tmp_path, monkeypatch):
    """On a machine that has nothing else to do."""
    cpu = min(os.sched_getaffinity(0))
    with neighbour(cpu):
        all_are_contaminated(
            measured(tmp_path, monkeypatch, cpus=(cpu,), names=("dense", "deployed"))
        )
