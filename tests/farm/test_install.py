"""What starts nights: systemd's own tools read the units, a shell runs the line for cron."""

import json
import shutil
import subprocess
import sys

import pytest

from edgeprune import cli
from edgeprune.errors import ConfigError
from edgeprune.farm import install
from edgeprune.farm.children import GRACE_S
from edgeprune.farm.install import Start, cron_line, start_of, units
from edgeprune.farm.plan import Plan

ODD = 'lab $HOME 50%net "box" \\t it\'s'
"""A folder's name with whatever means something to systemd, cron or a shell."""


PRINTS = """
import json, os, sys
print(json.dumps([sys.argv[1:], os.environ["EDGEPRUNE_HOME"]]))
"""


def odd_start(folder, name=ODD):
    """A start whose paths are as odd as can be; its program prints what it is given."""
    place = folder / name
    place.mkdir()
    program = place / "edgeprune"
    program.write_text(f"#!{sys.executable}\n{PRINTS}")
    program.chmod(0o755)
    argv = (str(program), "farm", "run", str(folder / f"{ODD}.toml"))
    environment = {"EDGEPRUNE_HOME": str(place)}
    return Start("odd", argv, (22, 23), 30, "root", environment, place / "farm.env")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_finds_no_fault_in_the_units_whatever_the_paths(tmp_path):
    start = odd_start(tmp_path, "lab $HOME 50%net")
    files = install.write_units(start, tmp_path / "units")
    argv = ["systemd-analyze", "verify", "--man=no", *files]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    told = [line for line in done.stderr.splitlines() if "edgeprune-odd" in line]
    assert (done.returncode, told) == (0, []), done.stderr
    files[0].write_text(files[0].read_text().replace("50%%", "50%"))
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert "edgeprune-odd.service" in done.stderr  # it would have been told


def test_a_unit_gives_children_their_grace_and_goes_on_after_a_kill(tmp_path):
    service = units(odd_start(tmp_path, "lab"))["edgeprune-odd.service"]
    keys = dict(line.split("=", 1) for line in service.splitlines() if "=" in line)
    assert float(keys["TimeoutStopSec"]) > 2 * GRACE_S and keys["KillMode"] == "mixed"
    assert (keys["Restart"], keys["RestartPreventExitStatus"]) == ("on-failure", "1")
    # What would take devices, emulators or the walls around models away.
    forbidden = ("PrivateDevices", "DevicePolicy", "RestrictNamespaces", "MemoryDenyWriteExecute")
    assert not keys.keys() & set(forbidden)


def test_the_line_for_cron_means_what_was_said(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path / "data 1%"))
    (tmp_path / "data 1%").mkdir()
    start = odd_start(tmp_path)
    line = cron_line(start)
    minute, hours, *rest = line.split(" ", 5)
    assert (minute, hours, rest[:3]) == ("30", "22,23", ["*"] * 3) and line.count("\n") == 1
    command = rest[3].replace("\\%", "%")  # as crontab(5) says
    subprocess.run(["sh", "-ec", command], check=True, timeout=60)
    argv, home = json.loads((tmp_path / "data 1%" / "odd.log").read_text())
    assert argv == list(start.argv[1:])
    assert home == start.environment["EDGEPRUNE_HOME"]


@pytest.mark.parametrize(
    ("at", "deadline", "hours"),
    [
        ("22:00", "07:00", (22, 23, 0, 1, 2, 3, 4, 5, 6)),
        ("22:30", "00:15", (22, 23)),
        ("23:00", None, (23, 0, 1, 2, 3, 4, 5, 6, 7)),
        ("1:00", "1:10", (1,)),
    ],
)
def test_a_night_is_begun_or_gone_on_with_every_hour_until_the_deadline(
    tmp_path, at, deadline, hours
):
    plan = Plan((), "n", deadline, file=tmp_path / "n.toml")
    start = start_of(plan, None, at)
    assert start.hours == hours and start.argv[-3:] == ("farm", "run", str(tmp_path / "n.toml"))


def test_what_no_unit_can_say_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="--at must be a local time"):
        start_of(Plan((), "n"), None, "10pm")
    with pytest.raises(ConfigError, match="no program with quotes"):
        units(odd_start(tmp_path))
    with pytest.raises(ConfigError, match="neither systemd nor cron takes a line break"):
        start_of(Plan((), "n", file=tmp_path / "a\nb.toml"), None, "22:00")


def test_the_command_prints_units_or_writes_them(tmp_path, home, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nightly.toml").write_text('[[jobs]]\nmodels = ["a.tflite"]\nboards = ["rpi4"]\n')

    def told(*options):
        with pytest.raises(SystemExit) as done:
            cli.main(["farm", "install", "nightly.toml", *options])
        return done.value.code, capsys.readouterr()

    code, printed = told("--systemd")
    assert code == 0 and "# edgeprune-nightly.service\n[Unit]" in printed.out
    code, printed = told("--systemd", "-o", "units")
    assert "sudo systemctl enable --now edgeprune-nightly.timer" in printed.out
    assert sorted(one.name for one in (tmp_path / "units").iterdir()) == [
        "edgeprune-nightly.service", "edgeprune-nightly.timer",
    ]  # fmt: skip
    code, printed = told("--cron", "--at", "21:30", "--json")
    assert json.loads(printed.out)["texts"]["crontab"].startswith("30 21,22,")
    assert told()[0] == 2 and told("--cron", "-o", "units")[0] == 2
