import datetime

import meter_rig
import numpy as np
import pytest
from simulated_device import UNIX_0_S, Clock

from edgeprune.devices.device import MeterTable
from edgeprune.errors import ConfigError, DeviceError
from edgeprune.meters._meter_log import layout_of, parse_rows

BEGIN_S = UNIX_0_S
STEP_S = 0.05


def log(header, row, begin_s=BEGIN_S, step_s=STEP_S):
    """A log of the square wave."""
    times_s = np.arange(0, meter_rig.RECORD_S, step_s)
    return "\n".join(
        [header, *(row(begin_s, t, float(meter_rig.square_wave_w(t))) for t in times_s)]
    )


def rows_of(text, **table):
    layout = layout_of(text, MeterTable("csv", **table), "log.csv")
    return layout, parse_rows(text, layout)


def date(begin_s, t):
    return datetime.datetime.fromtimestamp(begin_s + t, datetime.UTC).isoformat()


def comma(value, digits=4):
    return f"{value:.{digits}f}".replace(".", ",")


def swapped(number):
    return number.translate(str.maketrans(",.", ".,"))


STYLES = {
    "unix seconds and watts": (
        "Time (s),Power (W)", lambda b, t, w: f"{b + t:.3f},{w:.6f}"),
    "unix milliseconds, milliamperes and volts": (
        "timestamp[ms],Voltage [V],Current [mA]",
        lambda b, t, w: f"{(b + t) * 1e3:.0f},5.0,{w / 5 * 1e3:.3f}"),
    "unix time without a unit": (
        "Timestamp,Power_mW", lambda b, t, w: f"{(b + t) * 1e3:.0f},{w * 1e3:.3f}"),
    "dates and microwatts": (
        "Time;Power/uW", lambda b, t, w: f"{date(b, t)};{w * 1e6:.0f}"),
    "decimal commas": (
        "Time;U (V);I (A)", lambda b, t, w: f"{date(b, t)};{comma(12)};{comma(w / 12, 6)}"),
    "decimal commas and points between thousands": (
        "Time;Power (mW)", lambda b, t, w: f"{date(b, t)};{swapped(f'{w * 1e3:,.1f}')}"),
    "commas between thousands": (
        "Time;Power (mW)", lambda b, t, w: f"{date(b, t)};{w * 1e3:,.1f}"),
    "quoted decimal commas": (
        "Time,Power (W)", lambda b, t, w: f'{date(b, t)},"{comma(w)}"'),
    "tabs, a comment before the header, columns of no use": (
        "# made by a meter\n#Time (s)\tD0\tPower (W)\tCharge (mAh)",
        lambda b, t, w: f"{b + t:.3f}\t1\t{w}\t7"),
    "a counter of milliwatt-hours": (
        "Time (s),Energy (mWh)",
        lambda b, t, w: f"{b + t:.3f},{float(meter_rig.counted_j(t)) / 3.6:.9f}"),
    "a byte-order mark of an office program": (
        "\ufeffTime (s),Power (W)", lambda b, t, w: f"{b + t:.3f},{w}"),
}  # fmt: skip


def logged(tmp_path, header, row, **table):
    """The meter's record of a log that grew by the square wave between start and stop."""
    path, clock = tmp_path / "log.csv", Clock()
    clock.at_s = meter_rig.RECORD_S - 3  # its last line lies ahead
    lines = log(header, row).splitlines(keepends=True)
    first = header.count("\n") + 1
    path.write_text("".join(lines[: first + 5]) + lines[first + 5][:4], encoding="utf-8")
    with meter_rig.opened("csv", None, clock=clock, at=str(path), **table) as meter:
        meter.start()
        with path.open("a", encoding="utf-8") as file:
            file.write(lines[first + 5][4:] + "".join(lines[first + 6 :]) + "\n")
        return meter.stop()


@pytest.mark.parametrize("style", STYLES)
def test_every_style_of_log_gives_the_square_waves_energy(tmp_path, style):
    header, row = STYLES[style]
    trace = logged(tmp_path, header, row)
    found = meter_rig.assert_square_wave(trace)
    assert found.tier == "measured-external"
    assert found.sensor.startswith("log.csv (")
    assert trace.period_s == pytest.approx(STEP_S, rel=0.05)


def test_relative_times_need_the_moment_of_their_zero(tmp_path):
    header = "Time (s),Current (A)"

    def row(b, t, w):
        return f"{t:.3f},{w / 5}"

    with pytest.raises(ConfigError, match="begin at 0 s and are no dates"):
        logged(tmp_path, header, row, voltage_v=5.0)
    zero = datetime.datetime.fromtimestamp(BEGIN_S).isoformat()
    meter_rig.assert_square_wave(logged(tmp_path, header, row, voltage_v=5.0, zero=zero))


def test_a_current_alone_needs_the_voltage():
    with pytest.raises(ConfigError, match="give voltage_v"):
        rows_of("Time (s),Current (mA)\n1800000000,200\n")


@pytest.mark.parametrize(
    "header",
    ["a,b,c", "Time (s)", "Time (s),Power", "Power (W),Current (A)", "Time (s),Channel A"],
)
def test_a_header_without_time_or_units_says_how_one_looks(header):
    with pytest.raises(ConfigError, match=r"such as 'Time \(s\),Current \(mA\)"):
        rows_of(header + "\n1800000000,2,3\n")


def test_a_wrong_unit_is_found_where_three_columns_contradict_each_other():
    text = "Time (s),Voltage (V),Current (A),Power (W)\n" + "1800000000,5,400,2\n" * 3
    with pytest.raises(ConfigError, match="a unit in the header is wrong"):
        rows_of(text)
    rows_of(text.replace("(A)", "(mA)"))


def test_of_several_currents_one_must_be_named():
    text = "Time (s),Main Current (A),USB Current (A),Voltage (V)\n1800000000,1,2,5\n"
    with pytest.raises(ConfigError, match="several columns of current: Main Current"):
        rows_of(text)
    _, rows = rows_of(text, rails=("USB Current (A)", "Voltage (V)"))
    assert rows.tolist() == [[1800000000, 10]]


def test_a_line_without_a_number_is_left_out():
    text = "Time (s),Power (W)\n1800000000,1\n1800000001,OL\n1800000002,\n1800000003,nan\n\n5\n"
    assert rows_of(text)[1].tolist() == [[1800000000, 1]]


def test_lines_of_one_instant_count_as_their_mean(tmp_path):
    """A fast meter with a clock of 0.1 s."""
    header = "Time (s),Power (W)"
    trace = logged(tmp_path, header, lambda b, t, w: f"{b + np.floor(t * 10 + 1e-6) / 10:.3f},{w}")
    assert trace.period_s == pytest.approx(0.1, rel=0.05)
    meter_rig.assert_square_wave(trace)


def test_times_that_run_backwards_are_refused(tmp_path):
    def row(b, t, w):
        return f"{b + t - (0.5 if 5 < t < 6 else 0):.3f},{w}"

    with pytest.raises(DeviceError, match="run backwards"):
        logged(tmp_path, "Time (s),Power (W)", row)


def test_a_meter_that_does_not_log_is_told(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("Time (s),Power (W)\n1800000000,1\n")
    with meter_rig.opened("csv", None, clock=Clock(), at=str(path)) as meter:
        meter.start()
        with pytest.raises(DeviceError, match="it got no lines: is the meter logging"):
            meter.stop()


def test_a_line_that_is_still_being_written_is_waited_for(tmp_path):
    path, clock = tmp_path / "log.csv", Clock()
    path.write_text("Time (s),Power (W)\n")

    def write(_, at_s):
        if at_s - began_s > 0.6:
            with path.open("a") as file:
                file.write("2\n")
            clock.passing.clear()

    with meter_rig.opened("csv", None, clock=clock, at=str(path)) as meter:
        meter.start()
        now_s, began_s = clock.unix_s(), clock.now_s()
        with path.open("a") as file:
            file.write(f"{now_s:.3f},1\n{now_s + 60:.3f},1")
        clock.passing.append(write)
        clock.sleep(0.1)
        trace = meter.stop()
    assert trace.power_w.tolist() == [1, 12]
    assert 0.6 < clock.now_s() - began_s < 1.2


def test_a_log_that_is_not_there_is_a_mistake_of_the_user(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.csv: cannot be read"):
        with meter_rig.opened("csv", None, at=str(tmp_path / "gone.csv")):
            pass


def test_a_line_that_was_half_written_at_the_start_is_read_whole(tmp_path):
    path, clock = tmp_path / "log.csv", Clock()
    path.write_text("Power (W),Time (s)\n12")
    with meter_rig.opened("csv", None, clock=clock, at=str(path)) as meter:
        meter.start()
        now_s = clock.unix_s()
        with path.open("a") as file:
            file.write(f"3,{now_s:.3f}\n7,{now_s + 60:.3f}\n")
        assert meter.stop().power_w.tolist() == [123, 7]


def test_a_log_that_vanishes_is_told(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("Power (W),Time (s)\n12,1800000000\n")
    with meter_rig.opened("csv", None, at=str(path)) as meter:
        meter.start()
        path.unlink()
        with pytest.raises(ConfigError, match=r"log\.csv: cannot be read"):
            meter.stop()
