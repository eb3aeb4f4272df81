"""What every meter must do, by its file name."""

import joulescope_instrument
import pytest

from edgeprune.meters.base import METERS, FileMeter, Meter

joulescope_instrument.install()


def test_the_promised_meters_are_there():
    assert {
        "android_battery", "android_rails", "csv", "hwmon", "iio", "jetson", "joulescope",
        "powercap", "ppk2", "rpi5_pmic",
    } <= set(METERS.names())  # fmt: skip


@pytest.mark.parametrize("name", METERS.names())
def test_every_meter_says_where_it_sits_and_whose_clock_it_has(name):
    meter = METERS.get(name)
    assert issubclass(meter, Meter)
    assert meter.tier in ("measured-external", "measured-onboard")
    assert meter.on_device == issubclass(meter, FileMeter) == (meter.tier == "measured-onboard")


@pytest.mark.parametrize("name", METERS.names())
def test_every_meter_has_the_methods_of_a_meter_and_no_others(name):
    public = {key for key in dir(METERS.get(name)) if not key.startswith("_")}
    allowed = {"open", "start", "stop", "close", "tier", "on_device", "plan", "read"}
    assert public <= allowed


@pytest.mark.parametrize("name", METERS.names())
def test_a_meter_may_be_closed_without_having_been_opened(name):
    METERS.get(name)(None).close()
