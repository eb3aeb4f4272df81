"""Energy in the document and on the terminal."""

import copy
import dataclasses
import io
import re
from pathlib import Path

import meter_rig
import numpy as np
import pytest
from results import GONE, changed, document, typed, variant
from rich.console import Console

from edgeprune.artifacts.measurement import DeviceFacts, Measured, RunResult, Session, Variant
from edgeprune.artifacts.model import ModelFile
from edgeprune.energy.grid import Grid
from edgeprune.energy.net import NoEnergy
from edgeprune.energy.power_trace import PowerTrace
from edgeprune.errors import ConfigError
from edgeprune.history.result import UNSET
from edgeprune.history.result_file import parse_result
from edgeprune.report.energy import co2e_text, energy_remarks, stored_energy
from edgeprune.report.result import build_result
from edgeprune.report.terminal import print_report


def energy(**changes):
    times_s = np.arange(0, meter_rig.RECORD_S, 0.05)
    watts = meter_rig.square_wave_w(times_s)
    notes = ("the probe covers the board alone",)
    trace = PowerTrace(times_s, watts, None, "probe", "measured-external", 0.05, 0.05, notes)
    return dataclasses.replace(meter_rig.energy_of(trace), **changes)


@pytest.fixture
def built(tmp_path):
    def build(dense, deployed):
        variants, runs = [], []
        for name, found in (("dense", dense), ("deployed", deployed)):
            file = tmp_path / f"{name}.tflite"
            file.write_bytes(b"1234")
            variants.append(Variant(name, file, b"", 0.5, False))
            sessions = (Session((10**5,) * 100, 10**6, 10**6, 10**6),) * 6
            runs.append(Measured(name, sessions, None, None, (), None, 10**6, found))
        run = RunResult(DeviceFacts("pi", "A72", "Linux", "1", "2.3.0"), False, tuple(runs))
        model = ModelFile(Path("net.h5"), "a" * 64, "keras2-h5")
        return build_result(model, "rpi4", {}, run, variants, {}, tmp_path)

    return build


def text_of(result):
    file = io.StringIO()
    print_report(result, Console(file=file, width=120))
    return file.getvalue()


def test_a_figure_comes_with_all_that_judges_it(built):
    result = built(energy(), energy(net_uj=15_000.0, grid=Grid(56.0, "RTE 2024")))
    dense = result.variants[0].energy_uj
    assert dense.per_inference == pytest.approx(30_000, rel=0.01)
    assert (dense.idle_subtracted, dense.source) == (True, "probe")
    how = dense.measurement
    assert how.gross - how.idle == pytest.approx(dense.per_inference)
    assert (how.tier, how.stable, how.inferences) == ("measured-external", True, 1000)
    assert document(result)["variants"][1]["energy_uj"]["co2e"] == {
        "g_per_million_inferences": pytest.approx(15_000 / 3.6e6 * 56), "grid_g_per_kwh": 56.0,
        "grid_source": "RTE 2024",
    }  # fmt: skip
    assert result.variants[0].energy_reason is UNSET


def test_every_figure_of_a_meter_stands_under_its_own_name():
    numbers = {
        "gross_uj": 1.5, "idle_uj": 2.5, "net_uj": 3.5, "idle_before_w": 4.5, "idle_after_w": 5.5,
        "inferences": 6, "window_s": 7.5, "samples": 8, "updates": 9, "largest_gap_s": 10.5,
    }  # fmt: skip
    found = stored_energy(energy(**numbers, grid=Grid(56.0, "RTE")))
    names = {"gross_uj": "gross", "idle_uj": "idle"}
    for name, value in numbers.items():
        if name != "net_uj":
            assert getattr(found.measurement, names.get(name, name)) == value, name
    assert (found.per_inference, found.source, found.idle_subtracted) == (3.5, "probe", True)
    assert (found.co2e.grid_g_per_kwh, found.co2e.grid_source) == (56.0, "RTE")
    assert found.co2e.g_per_million_inferences == pytest.approx(3.5 / 3.6e6 * 56)
    assert (found.measurement.tier, found.measurement.stable) == ("measured-external", True)
    assert found.measurement.notes == ("the probe covers the board alone",)


def test_a_missing_figure_is_null_with_the_reason_and_no_carbon(built):
    result = built(NoEnergy("no sensor: buy one"), NoEnergy("no sensor: buy one"))
    for each in result.variants:
        assert each.energy_uj is None
        assert each.energy_reason == "no sensor: buy one"
    text = text_of(result)
    assert "energy was not measured: no sensor: buy one" in text
    assert text.count("buy one") == 1
    assert "CO2e" not in text
    assert "energy per inference" in text.partition("not measured:")[2].partition("\n")[0]


def test_the_terminal_shows_energy_carbon_and_where_they_are_from(built):
    text = text_of(built(energy(), energy(net_uj=15_000.0)))
    assert "15.00 mJ" in text
    assert "CO2e per million inferences" in text and "1.85 g" in text
    assert re.search("deployed: energy by probe, measured-external: 20. new values in 10.0 s", text)
    assert "CO2e at 445 g/kWh: IEA" in text
    assert "the probe covers the board alone" in text


def test_unstable_idle_is_told(built):
    text = text_of(built(energy(), energy(stable=False, idle_after_w=2.3)))
    assert "energy of deployed is unstable: idle power was 2 W before and 2.3 W after" in text


MEASUREMENT = {
    "gross": 20.0, "idle": 8.0, "idle_before_w": 1.23456, "idle_after_w": 2.0, "stable": False,
    "inferences": 1000, "window_s": 10.04, "samples": 2000, "updates": 1500,
    "largest_gap_s": 0.0512345, "tier": "measured-external", "notes": ["without the display"],
}  # fmt: skip
CO2E = {"g_per_million_inferences": 0.0012345, "grid_g_per_kwh": 56.0, "grid_source": "RTE 2024"}


def remarks(**energy):
    figure = {"per_inference": 12.0, "idle_subtracted": True, "source": "INA226"} | energy
    return energy_remarks(typed(variant("deployed", energy_uj=figure)))


def test_what_a_reader_must_know_of_an_energy_is_told_line_by_line():
    assert remarks(measurement=MEASUREMENT, co2e=CO2E) == [
        "deployed: energy by INA226, measured-external: 1,500 new values in 10.0 s, largest gap "
        "0.0512 s, idle subtracted",
        "without the display",
        "energy of deployed is unstable: idle power was 1.235 W before and 2 W after, more than 5% "
        "apart",
        "CO2e at 56 g/kWh: RTE 2024",
    ]
    assert remarks(measurement=MEASUREMENT | {"stable": True, "notes": []})[1:] == []
    assert remarks() == ["deployed: energy by INA226"]


def test_an_energy_that_nobody_asked_for_is_not_missed():
    assert energy_remarks(typed(variant("deployed"))) == []
    missed = typed(variant("deployed", energy_reason="no sensor"))
    assert energy_remarks(missed) == ["energy was not measured: no sensor"]


def test_carbon_has_three_digits_or_none_where_nothing_was_measured():
    bare = {"per_inference": 12.0, "idle_subtracted": True, "source": "INA226"}
    texts = [
        co2e_text(typed(variant("deployed", energy_uj=energy)).energy_uj)
        for energy in (None, bare, bare | {"co2e": CO2E})
    ]
    assert texts == [None, None, "0.00123 g"]


def test_an_older_result_without_the_new_keys_is_still_valid(built):
    new = [
        f"variants.{index}.energy_uj.{key}" for index in (0, 1) for key in ("measurement", "co2e")
    ]
    result = changed(built(energy(), energy()), dict.fromkeys(new, GONE))
    assert "deployed: energy by probe" in text_of(result)


def places(value, path=()):
    for key, item in value.items():
        yield (*path, key)
        if isinstance(item, dict):
            yield from places(item, (*path, key))


def test_every_new_key_is_checked(built):
    good = document(built(energy(), energy()))
    checked = 0
    for path in places(good["variants"][1]["energy_uj"]):
        for sample in (None, [], "", {"a": 1}, True, -1.0):
            mutant = copy.deepcopy(good)
            table = mutant["variants"][1]["energy_uj"]
            for key in path[:-1]:
                table = table[key]
            if isinstance(table[path[-1]], (bool, list)) and isinstance(sample, (bool, list)):
                continue
            if path[-1].startswith("idle") and sample == -1.0:
                continue  # power may be negative
            table[path[-1]] = sample
            with pytest.raises(ConfigError):
                parse_result(mutant)
            checked += 1
    assert checked > 80
