import joulescope_instrument
import meter_rig
import numpy as np
import pytest
from simulated_device import Clock

from edgeprune.energy.net import NoEnergy, Window, net_energy
from edgeprune.errors import ConfigError, DeviceError, NoSensor

joulescope_instrument.install()


def counted_j(t):
    """2 W, and 5 W between 1.5 s and 2.7 s."""
    return 2 * t + 3 * np.clip(t - 1.5, 0, 1.2)


@pytest.fixture
def connect(monkeypatch):
    def put(*instruments):
        monkeypatch.setattr(joulescope_instrument.LIBRARY, "connected", list(instruments))
        return instruments[0]

    return put


def recorded(instrument, seconds=4.4, **table):
    with meter_rig.opened("joulescope", None, clock=instrument.host, **table) as meter:
        meter.start()
        instrument.host.sleep(seconds)
        trace = meter.stop()
    assert not instrument.is_open
    windows = [(0.2, 1.4), (1.4, 2.8), (2.9, 4.1)]
    shifted = [Window(instrument.began_s + a, instrument.began_s + b) for a, b in windows]
    return net_energy(trace, *shifted, inferences=10)


def test_the_instruments_own_sum_gives_the_square_waves_energy(connect):
    instrument = connect(joulescope_instrument.Instrument(Clock(), "JS220-000123", counted_j))
    found = recorded(instrument)
    assert found.net_uj * 10 / 1e6 == pytest.approx(3 * 1.2, rel=0.01)
    assert (found.sensor, found.tier) == ("Joulescope JS220-000123", "measured-external")
    assert instrument.parameters == {
        "i_range": "auto", "v_range": "15V", "reduction_frequency": "50 Hz",
    }  # fmt: skip


def test_a_short_loss_costs_no_energy_and_a_long_one_the_figure(connect):
    def instrument(seconds):
        return connect(
            joulescope_instrument.Instrument(
                Clock(), "JS110-7", counted_j, lost=lambda t: 2 < t < 2 + seconds
            )
        )

    found = recorded(instrument(0.06))
    assert found.net_uj * 10 / 1e6 == pytest.approx(3 * 1.2, rel=0.01)
    found = recorded(instrument(0.3))
    assert isinstance(found, NoEnergy) and "without a sample" in found.reason


def test_a_clock_that_does_not_run_with_the_hosts_is_refused(connect):
    instrument = connect(joulescope_instrument.Instrument(Clock(), "JS220-1", counted_j, rate=0.9))
    with pytest.raises(DeviceError, match="out of step"):
        recorded(instrument, 1.5)


def test_one_of_several_is_named_by_its_serial_number(connect):
    first = joulescope_instrument.Instrument(Clock(), "JS220-000001", counted_j)
    second = joulescope_instrument.Instrument(Clock(), "JS220-000002", counted_j)
    connect(first, second)
    with pytest.raises(ConfigError, match="several are connected, name one"):
        recorded(first)
    recorded(second, 0.3, at="000002")
    with pytest.raises(NoSensor, match="no Joulescope 000003 is connected; there are: JS220"):
        recorded(first, at="000003")


def test_none_that_is_connected_is_told(connect):
    with pytest.raises(NoSensor, match="there are: none"):
        with meter_rig.opened("joulescope", None):
            pass


def test_an_instrument_that_fails_is_told(connect):
    connect(joulescope_instrument.Instrument(Clock(), "JS220-1", counted_j, fails=True))
    with pytest.raises(DeviceError, match="JS220-1 does not answer: jsdrv_open failed"):
        with meter_rig.opened("joulescope", None):
            pass
