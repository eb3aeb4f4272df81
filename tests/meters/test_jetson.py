import meter_rig
import pytest

from edgeprune.errors import ConfigError, NoSensor


def rail(number, label, share, folder="hwmon3"):
    def milliamperes(t):
        return round(share * float(meter_rig.square_wave_w(t)) / 5.0 * 1000)

    return {
        f"{folder}/in{number}_label": label,
        f"{folder}/in{number}_input": "5000",
        f"{folder}/curr{number}_input": milliamperes,
    }


def module(*rails):
    files = {"hwmon3/name": "ina3221", "hwmon0/name": "thermal"}
    for number, (label, share) in enumerate(rails, 1):
        files |= rail(number, label, share)
    return files


ORIN_NANO = (("VDD_IN", 1.0), ("VDD_CPU_GPU_CV", 0.4), ("VDD_SOC", 0.3))


def test_the_input_rail_is_not_added_to_what_lies_behind_it(tmp_path):
    trace = meter_rig.traced("jetson", meter_rig.Tree(tmp_path, module(*ORIN_NANO)))
    meter_rig.assert_square_wave(trace)
    assert (trace.sensor, trace.notes) == ("INA3221 VDD_IN", ())


def test_without_an_input_rail_all_are_added_and_the_report_says_so(tmp_path):
    """An AGX Orin has two sensors and no rail for everything."""
    files = module(("VDD_GPU_SOC", 0.5), ("VDD_CPU_CV", 0.3), ("NC", 9.0))
    files |= rail(2, "VDDQ_VDD2_1V8AO", 0.2, "hwmon4") | rail(7, "sum of shunt voltages", 5.0)
    trace = meter_rig.traced("jetson", meter_rig.Tree(tmp_path, files))
    meter_rig.assert_square_wave(trace)
    assert "leave out the carrier board" in trace.notes[0]


def test_rails_may_be_named(tmp_path):
    tree = meter_rig.Tree(tmp_path, module(*ORIN_NANO))
    named = meter_rig.traced("jetson", tree, rails=("VDD_CPU_GPU_CV", "VDD_SOC"))
    meter_rig.assert_square_wave(named, 2.0 * 0.7, 5.0 * 0.7)
    with pytest.raises(ConfigError, match="VDD_IN includes the other rails"):
        meter_rig.traced("jetson", tree, rails=("VDD_IN", "VDD_SOC"))
    with pytest.raises(ConfigError, match=r"no rail is called VDD_X; there are: VDD_IN, VDD_CPU"):
        meter_rig.traced("jetson", tree, rails=("VDD_X",))


def test_a_rail_that_goes_missing_is_a_gap(tmp_path):
    files = module(*ORIN_NANO)
    current = files["hwmon3/curr1_input"]
    files["hwmon3/curr1_input"] = lambda t: None if 14 < t < 15 else current(t)
    trace = meter_rig.traced("jetson", meter_rig.Tree(tmp_path, files))
    assert "went without a sample" in meter_rig.energy_of(trace).reason


def test_a_board_without_labels_is_no_jetson(tmp_path):
    files = {"hwmon3/in1_input": "5000", "hwmon3/curr1_input": "100"}
    with pytest.raises(NoSensor, match="is this a Jetson"):
        meter_rig.traced("jetson", meter_rig.Tree(tmp_path, files))
