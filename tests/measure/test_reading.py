"""What a device says of its state: numbers that can be true, or nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.devices.transports.base import Completed
from edgeprune.errors import DeviceError
from edgeprune.measure.device_state import Sources, find_sources
from edgeprune.measure.reading import parse_reading
from edgeprune.meters.base import Row

SOURCES = Sources(
    zones=("/z/temp",),
    clocks=("/c/scaling_cur_freq",),
    limit="/c/scaling_max_freq",
    governor="performance",
    is_pinned=True,
    has_throttle_bits=True,
    is_android=True,
    cpus=(),
    proc="/proc",
    missing=(),
)
COMMAND = "throttled=0x50005\nThermal Status: 2\nAC powered: true\nlevel: 80\npresent: true\n"


def reading(**changes):
    texts = {
        "stat": "cpu0 1 1 1 1 1 1 1 1 0 0",
        "loadavg": "0.5 0.4 0.3",
        "schedstat": "1 2000000000 3",
        "own": "7 (a b) S " + " ".join(["1"] * 30),
        "limit": "1800000",
        "zone": "45000",
        "clock": "1500000",
        "command": COMMAND,
    } | changes
    return parse_reading(Row(1.0, tuple(texts.values())), SOURCES)


def test_what_a_device_says_is_read():
    found = reading()
    assert (found.temperature_c, found.frequency_hz, found.limit_hz) == (45.0, 1.5e9, 1.8e9)
    assert (found.throttle_bits, found.thermal_status, found.battery_percent) == (0x50005, 2, 80.0)
    assert (found.load_1min, found.waited_s, found.on_mains) == (0.5, 2.0, True)
    assert found.busy_s == 0.05 and found.own_s == 0.02


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-inf", "1e999", "1_000", "9" * 5000, "", "\x1b[2J", "٤٥", "0x10", "--1"]
)
def test_a_text_that_is_no_number_is_nothing(text):
    found = reading(zone=text, clock=text, limit=text, loadavg=text, schedstat=f"1 {text}")
    assert found.temperature_c is found.frequency_hz is found.limit_hz is found.load_1min is None
    assert found.waited_s is None


@pytest.mark.parametrize("text", ["-300000", "300000", "999999999999"])
def test_a_temperature_that_no_silicon_bears_is_nothing(text):
    assert reading(zone=text).temperature_c is None


@pytest.mark.parametrize("text", ["0", "-1500000", "1", "999999999999"])
def test_a_clock_that_no_core_has_is_nothing(text):
    assert reading(clock=text).frequency_hz is None


def test_a_battery_and_a_status_beyond_their_scale_are_nothing():
    found = reading(command="level: 101\nThermal Status: 7\nthrottled=0x123456789abcdef\n")
    assert found.battery_percent is found.thermal_status is found.throttle_bits is None


@given(st.lists(st.none() | st.text(max_size=40), min_size=8, max_size=8))
def test_any_texts_are_read_without_a_fault(texts):
    parse_reading(Row(1.0, tuple(texts)), SOURCES)


class Saying:
    """A transport whose device lists what it likes."""

    def __init__(self, *records):
        self.text = "".join(f"{path}\x1f{text}\x1e" for path, text in records)

    def run(self, argv, timeout_s):
        return Completed(0, self.text, "")


CPU = "/sys/devices/system/cpu/cpu0/cpufreq/"


def test_files_that_were_not_asked_for_are_refused():
    good = find_sources(Saying((CPU + "scaling_governor", "performance")), ())
    assert good.governor == "performance"
    zone = "/sys/class/thermal/thermal_zone0\n/etc/type"
    for path in ("/etc/shadow", CPU + "scaling_governor\n/etc/shadow", "\x1b[2J", zone):
        with pytest.raises(DeviceError, match="was asked for files such as"):
            find_sources(Saying((path, "1")), ())


@pytest.mark.parametrize("name", ["a b", "\x1b[2J", "x" * 40, "perf/../x"])
def test_a_governor_is_one_word(name):
    with pytest.raises(DeviceError, match="expected the name of a governor; the device says"):
        find_sources(Saying((CPU + "scaling_governor", name)), ())
