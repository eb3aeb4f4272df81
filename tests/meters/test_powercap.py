import os
import time

import meter_rig
import pytest

from edgeprune.errors import NoSensor

RANGE_UJ = 65_532_610


def zone(folder, name, joules, range_uj=RANGE_UJ):
    return {
        f"{folder}/name": name,
        f"{folder}/max_energy_range_uj": str(range_uj),
        f"{folder}/energy_uj": lambda t: round(joules(t) * 1e6) % range_uj,
    }


def machine(package_j=meter_rig.counted_j):
    return {
        **zone("intel-rapl:0", "package-0", package_j),
        **zone("intel-rapl:0:0", "core", lambda t: 0.7 * package_j(t)),
        **zone("intel-rapl:0:1", "dram", lambda t: 0.5 * t),
        **zone("intel-rapl:1", "psys", lambda t: 3 * package_j(t)),
    }


def test_package_and_memory_are_added_and_what_lies_within_them_is_not(tmp_path):
    trace = meter_rig.traced("powercap", meter_rig.Tree(tmp_path, machine()))
    meter_rig.assert_square_wave(trace, 2.5, 5.5)
    assert trace.sensor == "RAPL package-0 + dram"
    assert "not the whole machine" in trace.notes[0]


def test_counters_that_wrap_in_the_middle_are_followed(tmp_path):
    def near_the_end(t):
        return meter_rig.counted_j(t) + RANGE_UJ / 1e6 - 40  # wraps within the inferences

    assert near_the_end(12) < RANGE_UJ / 1e6 < near_the_end(22)
    trace = meter_rig.traced("powercap", meter_rig.Tree(tmp_path, machine(near_the_end)))
    meter_rig.assert_square_wave(trace, 2.5, 5.5)


def test_counters_that_wrap_every_4_seconds_are_followed(tmp_path):
    files = zone("intel-rapl:0", "package-0", meter_rig.counted_j, range_uj=20_000_000)
    meter_rig.assert_square_wave(meter_rig.traced("powercap", meter_rig.Tree(tmp_path, files)))


def test_two_packages_are_added(tmp_path):
    files = {
        **zone("intel-rapl:0", "package-0", meter_rig.counted_j),
        **zone("intel-rapl:1", "package-1", meter_rig.counted_j, range_uj=30_000_000),
    }
    trace = meter_rig.traced("powercap", meter_rig.Tree(tmp_path, files))
    meter_rig.assert_square_wave(trace, 4.0, 10.0)


def test_a_machine_without_counters_says_so(tmp_path):
    with pytest.raises(NoSensor, match="no intel-rapl package"):
        meter_rig.traced("powercap", meter_rig.Tree(tmp_path, {"other/name": "x"}))


def test_a_counter_without_a_range_is_refused(tmp_path):
    files = machine()
    del files["intel-rapl:0/max_energy_range_uj"]
    with pytest.raises(NoSensor, match="wraps cannot be undone"):
        meter_rig.traced("powercap", meter_rig.Tree(tmp_path, files))


def test_a_counter_that_only_root_may_read_says_so(tmp_path):
    tree = meter_rig.Tree(tmp_path, machine())
    counter = tmp_path / "intel-rapl:0" / "energy_uj"
    counter.unlink()
    if os.getuid() == 0:  # nothing is hidden from root but what cannot be read at all
        counter.symlink_to("/proc/self/mem")
    else:
        counter.write_text("1")
        counter.chmod(0)
    with pytest.raises(NoSensor, match="only root may read it"):
        meter_rig.traced("powercap", tree)


def test_the_real_agent_reads_the_tree(tmp_path):
    """Files on disk, the C agent and real time: 0.6 s of a counter that never changes."""
    meter_rig.Tree(tmp_path, machine())
    with meter_rig.real_sampler() as (sampler, agent):
        with meter_rig.opened("powercap", sampler, tmp_path) as meter:
            begin_s = agent.clock_s()
            meter.start()
            time.sleep(0.6)
            trace = meter.stop()
            end_s = agent.clock_s()
    assert begin_s <= trace.time_s[0] <= trace.time_s[-1] <= end_s
    assert 3 <= len(trace.time_s) <= (end_s - begin_s) / trace.period_s + 2
    assert trace.energy_between_j(begin_s, end_s) == 0
