import meter_rig
import pytest

from edgeprune.errors import ConfigError, DeviceError, NoSensor


def energy_value(rails, is_old=False):
    """The file's content at a time: each rail's share of the square wave, since 100 s."""

    def text(t):
        lines = [f"t={round((t + 100) * 1000)}"]
        for number, (rail, share) in enumerate(rails):
            microjoules = round(share * float(meter_rig.counted_j(t)) * 1e6) + 10**12
            head = f"CH{number}" + ("" if is_old else f"(T={round((t + 100) * 1000)})")
            lines.append(f"{head}[{rail}], {microjoules}")
        return "\n".join(lines)

    return text


PHONE = {
    "iio:device0/energy_value": energy_value((("S2M_VDD_CPUCL2", 0.5), ("VSYS_PWR_MODEM", 0.1))),
    "iio:device1/energy_value": energy_value((("S2S_VDD_G3D", 0.4),)),
    "iio:device2/name": "other",
}


def test_the_rails_of_all_chips_are_added(tmp_path):
    trace = meter_rig.traced("android_rails", meter_rig.Tree(tmp_path, PHONE))
    meter_rig.assert_square_wave(trace)
    assert trace.sensor == "ODPM S2M_VDD_CPUCL2 + VSYS_PWR_MODEM + S2S_VDD_G3D"


def test_rails_may_be_named(tmp_path):
    tree = meter_rig.Tree(tmp_path, PHONE)
    trace = meter_rig.traced("android_rails", tree, rails=("S2M_VDD_CPUCL2",))
    meter_rig.assert_square_wave(trace, 1.0, 2.5)
    with pytest.raises(ConfigError, match="no rail is called L2S; there are: S2M_VDD_CPUCL2"):
        meter_rig.traced("android_rails", tree, rails=("L2S",))


def test_the_form_without_durations_is_read_too(tmp_path):
    files = {"iio:device0/energy_value": energy_value((("A", 1.0),), is_old=True)}
    meter_rig.assert_square_wave(meter_rig.traced("android_rails", meter_rig.Tree(tmp_path, files)))


def test_a_rail_that_goes_missing_is_a_gap(tmp_path):
    whole = energy_value((("A", 0.5), ("B", 0.5)))

    def text(t):
        return whole(t).rsplit("\n", 1)[0] if 15 < t < 16 else whole(t)

    tree = meter_rig.Tree(tmp_path, {"iio:device0/energy_value": text})
    trace = meter_rig.traced("android_rails", tree)
    assert "went without a sample" in meter_rig.energy_of(trace).reason


def test_a_channel_that_is_set_to_another_rail_meanwhile_is_refused(tmp_path):
    def text(t):
        return energy_value((("A", 1.0),))(t) if t < 15 else "t=5\nCH0(T=5)[A], 7"

    with pytest.raises(DeviceError, match="a rail's counter fell"):
        meter_rig.traced(
            "android_rails", meter_rig.Tree(tmp_path, {"iio:device0/energy_value": text})
        )


def test_a_phone_without_power_rails_is_told(tmp_path):
    with pytest.raises(NoSensor, match="a Pixel 6 or later has"):
        meter_rig.traced("android_rails", meter_rig.Tree(tmp_path, {"iio:device0/name": "x"}))
