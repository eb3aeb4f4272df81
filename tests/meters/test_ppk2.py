import meter_rig
import numpy as np
import ppk2_instrument
import pytest
from simulated_device import Clock
from waits import until

from edgeprune.energy.net import NoEnergy, Window, net_energy
from edgeprune.errors import ConfigError, DeviceError, NoSensor
from edgeprune.meters import ppk2

VOLTS = 3.3
IDLE_A, LOAD_A = 0.004, 0.3  # in two ranges of the instrument


def square(t):
    """Idle, 1 s of load, idle."""
    return np.where((t >= 1) & (t < 2), LOAD_A, IDLE_A)


def recorded(instrument, seconds=3.2):
    clock = instrument.host
    with meter_rig.opened("ppk2", None, clock=clock, at=instrument.port, voltage_v=VOLTS) as meter:
        meter.start()
        until(lambda: instrument.began_s is not None)
        clock.sleep(seconds)
        began_s = instrument.began_s
        return meter.stop(), began_s


def energy_of(trace, began_s):
    windows = [Window(began_s + a, began_s + b) for a, b in ((0.1, 0.9), (0.9, 2.1), (2.2, 3.0))]
    return net_energy(trace, *windows, inferences=10)


def test_a_square_wave_over_two_ranges_gives_its_energy():
    with ppk2_instrument.Instrument(Clock(), square, VOLTS) as instrument:
        trace, began_s = recorded(instrument)
    found = energy_of(trace, began_s)
    assert found.net_uj * 10 / 1e6 == pytest.approx((LOAD_A - IDLE_A) * VOLTS, rel=0.01)
    assert found.idle_before_w == pytest.approx(IDLE_A * VOLTS, rel=0.01)
    assert (found.sensor, found.tier) == ("PPK2 at 3.3 V", "measured-external")
    assert 1100 <= found.updates <= 1201


@pytest.mark.parametrize("amperes", [20e-6, 200e-6, 2e-3, 20e-3, 0.2, 0.9])
def test_every_range_is_converted_by_its_own_calibration(amperes):
    with ppk2_instrument.Instrument(
        Clock(), lambda t: np.full_like(t, amperes), VOLTS
    ) as instrument:
        trace, _ = recorded(instrument, 0.3)
    assert trace.power_w == pytest.approx(amperes * VOLTS, rel=0.01)


def test_it_is_told_to_measure_and_to_pass_the_devices_current():
    with ppk2_instrument.Instrument(Clock(), square, VOLTS) as instrument:
        recorded(instrument, 0.2)
        until(lambda: instrument.commands.endswith(b"\x07", 1))
    assert instrument.commands == b"\x07\x19\x11\x01\x0c\x01\x06\x07"


def test_a_few_lost_samples_are_counted_and_shift_nothing():
    def drop(numbers):
        return numbers % 1000 < 30

    with ppk2_instrument.Instrument(Clock(), square, VOLTS, drop) as instrument:
        found = energy_of(*recorded(instrument))
    assert found.net_uj * 10 / 1e6 == pytest.approx((LOAD_A - IDLE_A) * VOLTS, rel=0.01)


def test_many_lost_samples_give_no_figure():
    """0.2 s without samples, of which the 6-bit counter knows nothing."""
    gap = 64 * 312

    with ppk2_instrument.Instrument(
        Clock(), square, VOLTS, lambda numbers: (numbers >= 50_000) & (numbers < 50_000 + gap)
    ) as instrument:
        with pytest.raises(DeviceError, match="out of step with this machine's clock"):
            recorded(instrument)


def test_a_gap_that_the_counter_shows_gives_no_figure():
    """Half of every 20 ms is lost in pieces that the counter can tell."""

    def drop(numbers):
        return (numbers % 2000 < 1000) & (numbers % 64 != 0)

    with ppk2_instrument.Instrument(Clock(), square, VOLTS, drop) as instrument:
        found = energy_of(*recorded(instrument))
    assert isinstance(found, NoEnergy) and "without a sample" in found.reason


def test_a_port_that_answers_otherwise_is_no_ppk2(monkeypatch):
    monkeypatch.setattr(ppk2, "_ANSWER_S", 0.3)
    with ppk2_instrument.Instrument(Clock(), square, VOLTS) as instrument:
        instrument.answer = b"AT+OK\r\n"
        with pytest.raises(DeviceError, match="does not answer as a PPK2 does"):
            recorded(instrument)


def test_an_instrument_that_says_nothing_is_told():
    with ppk2_instrument.Instrument(Clock(), square, VOLTS) as instrument:
        with meter_rig.opened("ppk2", None, at=instrument.port, voltage_v=VOLTS) as meter:
            with pytest.raises(DeviceError, match="sent no samples"):
                meter.stop()


def test_the_supplys_voltage_is_the_users_to_tell():
    with pytest.raises(ConfigError, match="give voltage_v"):
        with meter_rig.opened("ppk2", None, at="/dev/null"):
            pass


def test_a_port_that_is_not_there_is_told(tmp_path):
    with pytest.raises(NoSensor, match="cannot be opened"):
        with meter_rig.opened("ppk2", None, at=str(tmp_path / "tty"), voltage_v=3.3):
            pass
