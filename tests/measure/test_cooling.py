"""Waiting for a device to cool, on temperatures as they would come."""

import pytest

from edgeprune.errors import DeviceError
from edgeprune.measure.cooling import cool
from edgeprune.measure.reading import Reading


def thermometer(*temperatures_c):
    """Gives one temperature after the other, and fails if it is read once more."""
    left = [Reading(0.0, temperature_c=one) for one in temperatures_c]
    return lambda: left.pop(0)


def test_it_waits_until_the_device_is_near_its_start():
    _, note = cool(thermometer(60.0, 55.0, 52.0), 50.0, 0.0, 0.6)
    assert "to 52.0 C" in note


def test_it_waits_at_least_and_at_most_so_long():
    waited_s, note = cool(thermometer(50.0), 50.0, 0.05, 1.0)
    assert waited_s >= 0.05 and "to 50.0 C" in note
    _, note = cool(thermometer(*[60.0] * 100), 50.0, 0.0, 0.05)
    assert "the longest allowed, and is still at 60.0 C, 10.0 C above the start" in note


def test_a_device_without_a_temperature_is_left_alone_for_the_least_wait():
    assert cool(thermometer(), None, 0.0, 300.0)[1].endswith("the device tells no temperature")
    assert cool(thermometer(None), 50.0, 0.0, 300.0)[1].endswith("tells no temperature")


def test_a_device_that_cannot_be_read_is_not_waited_for():
    def broken():
        raise DeviceError("gone")

    assert cool(broken, 50.0, 0.0, 300.0)[1].endswith("tells no temperature")


class Patient:
    """A clock that passes at once, and remembers how long nobody read the device."""

    def __init__(self):
        self.at_s = self.read_at_s = self.longest_s = 0.0

    def now_s(self):
        return self.at_s

    def sleep(self, duration_s):
        self.at_s += duration_s

    def read(self):
        self.longest_s = max(self.longest_s, self.at_s - self.read_at_s)
        self.read_at_s = self.at_s
        return Reading(self.at_s, temperature_c=90.0)


@pytest.mark.parametrize("waits_s", [(1000.0, 1000.0), (0.0, 36_000.0), (500.0, 36_000.0)])
def test_however_long_it_waits_the_agents_that_read_the_device_are_asked_in_time(waits_s):
    clock = Patient()
    waited_s, _ = cool(clock.read, 50.0, *waits_s, clock)
    assert waited_s == pytest.approx(waits_s[1])
    assert 0 < clock.longest_s <= 60.0
