"""Energy all the way: from --meter and bench.toml to result.json and the terminal."""

import json

import nets
import pytest
from simulated_device import IDLE_W, LOAD_W, Device, Starter

from edgeprune import cli, measure
from edgeprune.history.result_file import parse_result

SHORT = "[run]\nsessions = 1\nruns = 2\nwarmup = 1\n[verify]\nsamples = 1\n"


@pytest.fixture
def folder(home, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.tflite").write_bytes(nets.eligible())
    (tmp_path / "short.toml").write_text(SHORT)
    return tmp_path


@pytest.fixture
def device(monkeypatch):
    """Has the place of this machine in the pass for energy, so that no test waits."""
    device, real = Device(), measure.measure_energy

    def simulated(starter, *rest):
        return real(Starter(device, starter.transport, starter.table), *rest)

    monkeypatch.setattr(measure, "measure_energy", simulated)
    return device


def deploy(*options):
    with pytest.raises(SystemExit) as done:
        cli.main(["deploy", "net.tflite", "--board", "local", "--recipe", "short.toml", *options])
    return done.value.code


def test_a_lab_meters_log_ends_up_in_the_result_and_in_the_report(folder, device, capsys):
    with device.csv_log(folder / "log.csv"):
        assert deploy("--meter", "log.csv", "--grid-factor", "100", "--output", "out", "-v") == 0
    text = capsys.readouterr().out
    result = json.loads((folder / "out" / "result.json").read_text())
    parse_result(result)
    for variant in result["variants"]:
        energy = variant["energy_uj"]
        how = energy["measurement"]
        expected_uj = (LOAD_W - IDLE_W) * how["window_s"] / how["inferences"] * 1e6
        assert energy["per_inference"] == pytest.approx(expected_uj, rel=0.005)
        grams = energy["per_inference"] / 3.6e6 * 100
        assert energy["co2e"]["g_per_million_inferences"] == pytest.approx(grams)
    assert "energy per inference" in text
    assert "CO2e at 100 g/kWh: --grid-factor" in text


def test_the_benchs_meter_is_used_without_a_flag(folder, device, capsys):
    (folder / "bench.toml").write_text(
        "[devices.desk]\nboard = 'local'\n[devices.desk.meter]\nuse = 'hwmon'\n"
        f"at = '{folder}/hwmon'\n"
    )
    (folder / "hwmon").mkdir()
    with device.ina219(folder / "hwmon"):
        assert deploy("--bench", "bench.toml", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert [v["energy_uj"]["source"] for v in result["variants"]] == ["hwmon ina219:1"] * 2


def test_a_meter_that_is_not_there_is_told_before_anything_is_done(folder, capsys):
    assert deploy("--meter", "gone.csv", "--output", "out") == 2
    assert "gone.csv: cannot be read" in capsys.readouterr().err
    assert deploy("--meter", "wattson") == 2
    assert "no meter is called 'wattson'" in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_without_energy_the_result_says_why(folder, capsys):
    assert deploy("--meter", "none", "--json") == 0
    for variant in json.loads(capsys.readouterr().out)["variants"]:
        assert variant["energy_uj"] is None
        assert variant["energy_reason"] == "--meter none was given"
