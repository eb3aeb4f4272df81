import stat
import time

import meter_rig
import pytest

from edgeprune.errors import NoSensor

RAILS = (
    "3V7_WL_SW", "3V3_SYS", "1V8_SYS", "DDR_VDD2", "DDR_VDDQ", "1V1_SYS", "0V8_SW", "VDD_CORE",
    "3V3_DAC", "3V3_ADC", "0V8_AON", "HDMI",
)  # fmt: skip


def answer(t, rails=RAILS):
    """What vcgencmd prints: all currents, then all voltages, two of them without a current."""
    noise = 1 + 1e-4 * (round(t * 10) % 3)
    amperes = float(meter_rig.square_wave_w(t)) / len(RAILS) / 1.25 * noise
    lines = [f" {rail}_A current({n})={amperes:.8f}A" for n, rail in enumerate(rails)]
    lines += [f" {rail}_V volt({n + 8})=1.25000000V" for n, rail in enumerate(rails)]
    return "\n".join([*lines, " EXT5V_V volt(24)=5.15124000V", "  BATT_V volt(25)=0.00488400V"])


@pytest.fixture
def vcgencmd(tmp_path):
    """A program that answers as at time 0."""

    def make(text=None, code=0):
        (tmp_path / "answer").write_text(answer(0.0) if text is None else text)
        program = tmp_path / "vcgencmd"
        program.write_text(f"#!/bin/sh\ncat {tmp_path}/answer\nexit {code}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return f"{program} pmic_read_adc"

    return make


def traced(tmp_path, command, rails_at=lambda t: RAILS):
    tree = meter_rig.Tree(tmp_path, {}, command=lambda t: answer(t, rails_at(t)))
    with meter_rig.opened("rpi5_pmic", tree, at=command) as meter:
        meter.start()
        return meter.stop()


def test_twelve_rails_are_added(tmp_path, vcgencmd):
    trace = traced(tmp_path, vcgencmd())
    meter_rig.assert_square_wave(trace)
    assert trace.sensor == "Pi 5 PMIC, 12 rails"
    assert trace.notes == (
        "the Pi 5's PMIC covers its own rails, not USB, the 5 V header or its losses",
    )


def test_rails_that_are_not_told_are_named_in_a_note(tmp_path, vcgencmd):
    trace = traced(tmp_path, vcgencmd(answer(0, RAILS[:6])), lambda t: RAILS[:6])
    meter_rig.assert_square_wave(trace, 1.0, 2.5)
    assert trace.notes[1].startswith("6 of 12 rails were read: 3V7_WL_SW")


def test_a_rail_that_goes_missing_is_a_gap_and_not_less_energy(tmp_path, vcgencmd):
    trace = traced(tmp_path, vcgencmd(), lambda t: RAILS[1:] if 14 < t < 15 else RAILS)
    assert "went without a sample" in meter_rig.energy_of(trace).reason


def test_another_board_is_told(tmp_path, vcgencmd):
    with pytest.raises(NoSensor, match=r"vcgencmd pmic_read_adc fails on the device; .*a Pi 5"):
        traced(tmp_path, vcgencmd('error=1 error_msg="Command not registered"', 1))


def test_the_real_agent_runs_the_command_and_its_answers_are_read(tmp_path, vcgencmd):
    with meter_rig.real_sampler() as (sampler, agent):
        with meter_rig.opened("rpi5_pmic", sampler, at=vcgencmd()) as meter:
            meter.start()
            begin_s = agent.clock_s()
            time.sleep(0.6)
            end_s = agent.clock_s()
            trace = meter.stop()
    assert trace.energy_between_j(begin_s, end_s) == pytest.approx(2.0 * (end_s - begin_s))
    assert trace.samples_between(begin_s, end_s) >= 3
