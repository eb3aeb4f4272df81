import meter_rig
import numpy as np
import pytest

from edgeprune.errors import ConfigError, DeviceError, NoSensor

VOLTS = 5.0


def milliamperes(t, idle_w=2.0, load_w=5.0):
    return round(float(meter_rig.square_wave_w(t, idle_w, load_w)) / VOLTS * 1000)


def ina219(folder="hwmon2", current=milliamperes, **more):
    files = {
        "name": "ina219",
        "in0_input": "12",  # the shunt
        "in1_input": "5000",
        "curr1_input": current,
        "power1_input": lambda t: round(abs(current(t)) * 5000),
        **more,
    }
    return {f"{folder}/{name}": content for name, content in files.items() if content is not None}


def test_voltage_times_current_is_the_power(tmp_path):
    trace = meter_rig.traced("hwmon", meter_rig.Tree(tmp_path, ina219()))
    found = meter_rig.assert_square_wave(trace)
    assert (found.sensor, found.tier) == ("hwmon ina219:1", "measured-onboard")


def test_power_alone_is_enough(tmp_path):
    tree = meter_rig.Tree(tmp_path, ina219(in1_input=None))
    meter_rig.assert_square_wave(meter_rig.traced("hwmon", tree))


def test_a_negative_current_counts_with_its_sign_though_the_power_register_has_none(tmp_path):
    def current(t):
        return -400 if 14 <= t < 15 else milliamperes(t)

    found = meter_rig.energy_of(
        meter_rig.traced("hwmon", meter_rig.Tree(tmp_path, ina219(current=current)))
    )
    assert found.gross_uj * found.inferences / 1e6 == pytest.approx(9 * 5 - 1 * 2, rel=0.01)


def test_the_drivers_interval_sets_the_pace(tmp_path):
    tree = meter_rig.Tree(tmp_path, ina219(update_interval="140"))
    trace = meter_rig.traced("hwmon", tree)
    assert trace.period_s == trace.update_period_s == 0.14
    meter_rig.assert_square_wave(trace)


def three_rails(folder="hwmon0"):
    files = {f"{folder}/name": "ina3221"}
    for number, (label, share) in enumerate((("CPU", 1.0), ("GPU", 0.25), ("IO", 0.5)), 1):
        files[f"{folder}/in{number}_label"] = label
        files[f"{folder}/in{number}_input"] = "5000"
        files[f"{folder}/curr{number}_input"] = lambda t, share=share: share * milliamperes(t)
    return files


def test_of_several_rails_the_user_names_those_to_add_up(tmp_path):
    tree = meter_rig.Tree(tmp_path, three_rails())
    with pytest.raises(ConfigError, match="several rails can be measured: CPU, GPU, IO"):
        meter_rig.traced("hwmon", tree)
    trace = meter_rig.traced("hwmon", tree, rails=("CPU", "IO"))
    meter_rig.assert_square_wave(trace, 3.0, 7.5)
    assert trace.sensor == "hwmon CPU + IO"


def test_a_rail_that_is_missing_is_told_with_those_that_exist(tmp_path):
    tree = meter_rig.Tree(tmp_path, three_rails())
    with pytest.raises(ConfigError, match="no rail is called VDD; there are: CPU, GPU, IO"):
        meter_rig.traced("hwmon", tree, rails=("VDD",))


def test_one_of_several_sensors_is_named_by_its_folder(tmp_path):
    files = {**ina219("hwmon1"), **ina219("hwmon2", lambda t: 2 * milliamperes(t))}
    tree = meter_rig.Tree(tmp_path, files)
    with meter_rig.opened("hwmon", tree, tmp_path / "hwmon2") as meter:
        meter.start()
        meter_rig.assert_square_wave(meter.stop(), 4.0, 10.0)


def test_a_driver_with_wrong_units_is_refused(tmp_path):
    wrong = ina219(power1_input=lambda t: milliamperes(t) * 5)  # mW for uW
    with pytest.raises(DeviceError, match=r"0\.002 W, and 2 W by voltage and current"):
        meter_rig.traced("hwmon", meter_rig.Tree(tmp_path, wrong))


def test_samples_that_cannot_be_read_are_gaps(tmp_path):
    def current(t):
        return None if 15 <= t < 15.5 else milliamperes(t)

    trace = meter_rig.traced("hwmon", meter_rig.Tree(tmp_path, ina219(current=current)))
    assert "went without a sample" in meter_rig.energy_of(trace).reason
    assert np.isfinite(trace.power_w).all()


def test_without_a_sensor_it_says_what_to_do(tmp_path):
    tree = meter_rig.Tree(tmp_path, {"hwmon0/name": "cpu_thermal", "hwmon0/temp1_input": "40000"})
    with pytest.raises(NoSensor, match="load the driver of the board's INA sensor"):
        meter_rig.traced("hwmon", tree)
