import meter_rig
import pytest

from edgeprune.errors import DeviceError, NoSensor

VOLTS = 4.0


def phone(scale=-1e6, volt_scale=1e6, status="Discharging", idle_w=1.0, load_w=3.0):
    """A gauge that updates every 0.2 s and never says the same current twice."""

    def current(t):
        step = int(t / 0.2 + 1e-6)
        watts = float(meter_rig.square_wave_w(step * 0.2, idle_w, load_w))
        return round(watts / VOLTS * scale + (step % 2))

    return {
        "battery/type": "Battery",
        "battery/status": status,
        "battery/current_now": current,
        "battery/voltage_now": str(round(VOLTS * volt_scale)),
        "usb/type": "USB",
        "usb/current_now": "500000",
    }


@pytest.mark.parametrize("scale", [-1e6, 1e6, -1e3, 1e3])
@pytest.mark.parametrize("volt_scale", [1e6, 1e3])
def test_every_vendors_sign_and_units_give_the_same_energy(tmp_path, scale, volt_scale):
    trace = meter_rig.traced("android_battery", meter_rig.Tree(tmp_path, phone(scale, volt_scale)))
    found = meter_rig.assert_square_wave(trace, 1.0, 3.0)
    assert found.updates == pytest.approx(50, abs=1)
    assert "screen and radios included" in found.notes[0]


def test_a_gauge_that_updates_too_rarely_gives_no_figure(tmp_path):
    files = phone()
    fast = files["battery/current_now"]
    files["battery/current_now"] = lambda t: fast(int(t))
    trace = meter_rig.traced("android_battery", meter_rig.Tree(tmp_path, files))
    assert "a figure needs 50" in meter_rig.energy_of(trace).reason


def test_a_gauge_that_does_not_know_is_a_gap(tmp_path):
    files = phone()
    known = files["battery/current_now"]
    files["battery/current_now"] = lambda t: -2147483648 if 15 < t < 16 else known(t)
    trace = meter_rig.traced("android_battery", meter_rig.Tree(tmp_path, files))
    assert "went without a sample" in meter_rig.energy_of(trace).reason


@pytest.mark.parametrize("status", ["Charging", "Full", "Not charging"])
def test_a_phone_that_is_plugged_in_is_refused(tmp_path, status):
    with pytest.raises(DeviceError, match=f"the battery is {status.lower()}: unplug"):
        meter_rig.traced("android_battery", meter_rig.Tree(tmp_path, phone(status=status)))


def test_a_phone_that_is_plugged_in_meanwhile_is_refused(tmp_path):
    files = phone(status=lambda t: "Charging" if t > 20 else "Discharging")
    with pytest.raises(DeviceError, match="the battery is charging"):
        meter_rig.traced("android_battery", meter_rig.Tree(tmp_path, files))


def test_numbers_that_fit_no_unit_are_refused(tmp_path):
    with pytest.raises(DeviceError, match="neither in mV nor in uV"):
        meter_rig.traced("android_battery", meter_rig.Tree(tmp_path, phone(volt_scale=1.0)))
    with pytest.raises(DeviceError, match="may be in mA or in uA"):
        meter_rig.traced("android_battery", meter_rig.Tree(tmp_path, phone(scale=2e4)))


def test_a_device_without_a_battery_is_told(tmp_path):
    with pytest.raises(NoSensor, match="no battery that tells its current"):
        meter_rig.traced("android_battery", meter_rig.Tree(tmp_path, {"usb/type": "USB"}))
