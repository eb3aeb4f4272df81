import meter_rig
import pytest

from edgeprune.errors import ConfigError, NoSensor

SCALE = 0.05  # milliamperes a step


def raw_current(t):
    return round(float(meter_rig.square_wave_w(t)) / 5.0 * 1000 / SCALE)


def ina226(folder="iio:device0", **more):
    files = {
        "name": "ina226",
        "in_voltage0_raw": "3000",  # the shunt
        "in_voltage0_scale": "0.0025",
        "in_voltage1_raw": "4000",
        "in_voltage1_scale": "1.25",
        "in_power2_raw": lambda t: raw_current(t) // 5,
        "in_power2_scale": "1.25",
        "in_current3_raw": raw_current,
        "in_current3_scale": str(SCALE),
        "in_sampling_frequency": "114",
        **more,
    }
    return {f"{folder}/{name}": content for name, content in files.items() if content is not None}


def test_bus_voltage_times_current_is_the_power(tmp_path):
    trace = meter_rig.traced("iio", meter_rig.Tree(tmp_path, ina226()))
    found = meter_rig.assert_square_wave(trace)
    assert found.sensor == "iio ina226 voltage1 x current3"


def test_power_alone_is_enough(tmp_path):
    def power(t):
        return round(float(meter_rig.square_wave_w(t)) * 1000 / 1.25)

    files = ina226(in_current3_raw=None, in_power2_raw=power)
    meter_rig.assert_square_wave(meter_rig.traced("iio", meter_rig.Tree(tmp_path, files)))


def test_offsets_and_shared_scales_are_applied(tmp_path):
    files = {
        "iio:device0/name": "adc",
        "iio:device0/in_voltage0_input": "5000",
        "iio:device0/in_current_scale": str(SCALE),
        "iio:device0/in_current0_offset": "-2048",
        "iio:device0/in_current0_raw": lambda t: raw_current(t) + 2048,
        "iio:device0/sampling_frequency": "20",
    }
    trace = meter_rig.traced("iio", meter_rig.Tree(tmp_path, files))
    assert trace.period_s == 0.05
    meter_rig.assert_square_wave(trace)


def test_a_negative_current_counts_with_its_sign(tmp_path):
    files = ina226(in_current3_raw=lambda t: -8000 if 14 <= t < 15 else raw_current(t))
    found = meter_rig.energy_of(meter_rig.traced("iio", meter_rig.Tree(tmp_path, files)))
    assert found.gross_uj * found.inferences / 1e6 == pytest.approx(9 * 5 - 1 * 2, rel=0.01)


def test_of_several_channels_the_user_names_two(tmp_path):
    files = ina226(in_current4_raw="7", name="adc")
    tree = meter_rig.Tree(tmp_path, files)
    with pytest.raises(ConfigError, match="several channels: voltage0, voltage1, current3"):
        meter_rig.traced("iio", tree)
    meter_rig.assert_square_wave(meter_rig.traced("iio", tree, rails=("voltage1", "current3")))
    with pytest.raises(ConfigError, match="has no channel current9; there are: current3"):
        meter_rig.traced("iio", tree, rails=("voltage1", "current9"))


def test_of_several_sensors_one_must_be_named(tmp_path):
    tree = meter_rig.Tree(tmp_path, {**ina226(), **ina226("iio:device1")})
    with pytest.raises(ConfigError, match="several sensors measure power"):
        meter_rig.traced("iio", tree)
    with meter_rig.opened("iio", tree, tmp_path / "iio:device1") as meter:
        meter.start()
        meter_rig.assert_square_wave(meter.stop())


def test_a_device_without_power_is_no_sensor(tmp_path):
    files = {"iio:device0/name": "accel", "iio:device0/in_accel_x_raw": "5"}
    with pytest.raises(NoSensor, match="no sensor of power"):
        meter_rig.traced("iio", meter_rig.Tree(tmp_path, files))
