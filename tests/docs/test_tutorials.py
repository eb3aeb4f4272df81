"""Each tutorial's commands are run as they stand, on rigs that stand in for a Pi and a phone."""

import os
import re
import runpy
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from adb_rig import Adbd
from adb_server import adb_server
from emulated import SHIPPED

from edgeprune import cli
from edgeprune.console.quiet import quiet
from edgeprune.devices.toolchain.zig import host_isa
from edgeprune.history.result_file import read_result

DOCS = Path(__file__).resolve().parents[2] / "docs"
SHORT = ("--sessions", "2", "--runs", "3")  # the same steps in less time
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def steps(name):
    """Commands and files of a page, in their order: a list of words, or (file name, text)."""
    text = (DOCS / name).read_text(encoding="utf-8")
    for language, title, content in BLOCK.findall(text):
        if title:
            yield title, content
        elif language == "console":
            for line in content.splitlines():
                assert line.startswith("$ "), f"{name}: {line}"
                yield shlex.split(line[2:])


TESTED = 16
"""Samples that the example's network is scored on here, of its 320: each is computed emulated."""


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """What ``edgeprune example tiny`` writes, with fewer samples to test on."""
    folder = tmp_path_factory.mktemp("example")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as done:
        patch.chdir(folder)
        cli.main(["example", "tiny"])
    assert done.value.code == 0
    with np.load(folder / "tiny.npz") as data:
        few = {key: data[key][: TESTED if "test" in key else None] for key in data}
    np.savez(folder / "tiny.npz", **few)
    return folder


@pytest.fixture
def follow(tmp_path, monkeypatch, capsys, example):
    """Does what a page says, in ``tmp_path``.

    Its commands run in this process, by the same door, so that each need not import all again;
    the example that every page begins with is made once.
    """
    monkeypatch.chdir(tmp_path)

    def command(argv):
        with pytest.raises(SystemExit) as done:
            cli.main([*argv, *(SHORT if argv[0] in ("run", "deploy") else ())])
        printed = capsys.readouterr()
        assert done.value.code == 0, f"{' '.join(argv)}\n{printed.out}{printed.err}"
        return printed.out

    def follow(name, replace=(), without=(), also=()):
        """What each command printed, by its words.

        Args:
            name: The page.
            replace: Pairs of texts: what the page says, and what it is on the rig.
            without: Commands that are left out.
            also: Pairs of a command's first words and a further one that it takes on the rig.
        """
        printed = {}
        for step in steps(name):
            if isinstance(step, tuple):
                title, text = step
                for there, here in replace:
                    text = text.replace(there, here)
                Path(title).write_text(text)
                continue
            if (
                step[0] in ("pip", "sudo") or step[1] in without
            ):  # what they install is here already
                continue
            argv = [dict(replace).get(word, word) for word in step]
            key = " ".join(step[1:3])
            if argv == ["edgeprune", "example", "tiny"]:
                shutil.copytree(example, tmp_path, dirs_exist_ok=True)
                continue
            if argv[0] == "edgeprune":
                words = " ".join(step[1:])
                more = (word for start, word in also if words.startswith(start))
                printed[key] = command([*argv[1:], *more])
            elif argv[0] == "python":
                with quiet():  # Keras 3.15 warns about NumPy 2.4 on saving
                    runpy.run_path(argv[1])
            else:
                printed[key] = subprocess.check_output(argv, text=True, timeout=300)
        return printed

    return follow


@pytest.mark.device
def test_your_model(home, follow, tmp_path, monkeypatch):
    printed = follow("tutorials/your-model.md")
    assert "cortex-a72" in printed["explain tiny.tflite"]
    assert {"result.json", "report.txt", "recipe.toml"} < set(os.listdir(tmp_path / "first"))
    assert (tmp_path / "first.html").read_text().startswith("<!DOCTYPE html>")
    assert "instructions" in printed["compare first"]
    first, second = (read_result(tmp_path / name) for name in ("first", "second"))
    assert first.deployed.bytes < 0.6 * first.variants[0].bytes
    assert second.comparison.speedup > 1.8  # half of the instructions are gone
    assert second.deployed.accuracy.value < 0.5 < second.variants[0].accuracy.value
    # The page on other tools goes on with these results; a folder is MLflow's quickest store.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "runs"))
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    follow("how-to/other-tools.md")
    assert list((tmp_path / "runs").rglob("deployed/instructions"))
    written = {file.name for file in (tmp_path / "second/model-explorer").iterdir()}
    assert {f"deployed.{key}.json" for key in ("kernel", "error", "sparsity")} < written
    page = (DOCS / "how-to/other-tools.md").read_text()
    assert all(f"`{name}`" in page for name in written if name.startswith("deployed."))


@pytest.mark.device
def test_your_keras_network_would_run_sparse(home, follow):
    rig = [("epochs=10", "epochs=1")]
    printed = follow("tutorials/your-keras-network.md", rig, without=["deploy"])
    assert (
        "2 of 3 would when compressed (2.32x less time, predicted" in printed["explain model.keras"]
    )


@pytest.mark.device
@pytest.mark.full_range
def test_your_keras_network_takes_half_the_instructions_and_stays_as_good(home, follow):
    follow("tutorials/your-keras-network.md")
    result = read_result(Path("small"))
    assert result.comparison.speedup > 2 and result.validity.verdict == "valid"
    dense, deployed = result.variants[0].accuracy, result.deployed.accuracy
    assert dense.value > 0.97 and deployed.value > dense.value - 0.015  # six of 397 images


@pytest.fixture
def box(tmp_path, monkeypatch):
    """A board like this machine, reached over SSH."""
    text = (SHIPPED / "local.toml").read_text().replace('"local"', '"box"', 1)
    text = text.replace('use = "local"', 'use = "ssh"\nfolder = "ep"')
    text = text.replace('isa      = "host"', f'isa = "{host_isa()}"')
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "box.toml").write_text(text)
    monkeypatch.setenv("EDGEPRUNE_BOARDS", str(tmp_path / "boards"))


@pytest.mark.device
def test_your_pi(home, lab, box, follow, tmp_path):
    rig = (
        ('host  = "192.168.1.20"', f'host = "{lab.device.address}"\nkey = "{lab.key}"'),
        ('user  = "pi"', 'user = "root"'),
        ('"rpi4"', '"box"'),
        ("rpi4", "box"),
    )
    printed = follow("tutorials/your-pi.md", rig)
    assert lab.device.host_key().fingerprint in printed["devices trust"]
    assert (tmp_path / "deployed" / "result.json").is_file()


@pytest.mark.device
def test_from_one_pi_to_a_farm(home, lab, box, follow, tmp_path):
    rig = (
        ("pi@192.168.1.20", f"root@{lab.device.address}"),
        ('"rpi4"', '"box"'),
        ("rpi4", "box"),
        ("each_device = true", "each_device = true\nsessions = 2\nruns = 3"),
    )
    key = [("devices add pi-01", f"--key={lab.key}")]
    printed = follow("how-to/farm-of-50.md", rig, also=key)
    assert "1 done" in printed["farm run"] and (tmp_path / "morning" / "index.html").is_file()
    assert "online" in printed["devices list"] and "phone-01" in printed["devices add"]
    assert (tmp_path / "units" / "edgeprune-nightly.timer").is_file()
    # Started again in the same night, as a timer does, it ends at once, with its files made good.
    (tmp_path / "morning" / "index.html").unlink()
    with pytest.raises(SystemExit) as done:
        cli.main(["farm", "run", "nightly.toml"])
    assert done.value.code == 0 and (tmp_path / "morning" / "index.html").is_file()
    assert len((tmp_path / "backup.jsonl").read_text().splitlines()) == 2  # the golden model's too


@pytest.mark.device
def test_your_phone(home, follow, tmp_path, monkeypatch):
    text = (SHIPPED / "pixel-8.toml").read_text()
    text = text.replace("pixel-8", "phone").replace("aarch64", host_isa())
    text = text.replace("/data/local/tmp", str(tmp_path / "data"))
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "phone.toml").write_text(text)
    monkeypatch.setenv("EDGEPRUNE_BOARDS", str(tmp_path / "boards"))
    with adb_server(tmp_path):
        adbd = Adbd(tmp_path)
        try:
            subprocess.run(
                ["adb", "connect", adbd.address], check=True, capture_output=True, timeout=60
            )
            printed = follow("tutorials/your-phone.md", [("pixel-8", "phone")])
        finally:
            adbd.close()
    assert adbd.address in printed["devices"]
    assert "kernel" in printed["report deployed"]


@pytest.mark.device
def test_your_first_microcontroller(home, follow, tmp_path):
    printed = follow("tutorials/your-microcontroller.md")
    assert "tiny.tflite on mps2-an386: it fits" in printed["explain tiny.tflite"]
    assert "ep_s8_conv_2d" in printed["report first"]
    assert (tmp_path / "shapes" / "Makefile").is_file()
    result = read_result(tmp_path / "first")
    assert result.deployed.parity.max_abs_diff == 0.0
    assert result.deployed.accuracy.value > 0.9


@pytest.mark.device
def test_an_accuracy_goal(home, follow, tmp_path):
    follow("tutorials/accuracy-goal.md")
    assert (tmp_path / "small.tflite").stat().st_size < (tmp_path / "tiny.tflite").stat().st_size


@pytest.mark.device
def test_in_ci(home, follow, tmp_path, example):
    for name in ("base.tflite", "model.tflite"):
        shutil.copy(example / "tiny.tflite", name)
    shutil.copy(example / "tiny.npz", "test.npz")
    printed = follow("tutorials/in-ci.md")
    assert printed["compare both/base"].startswith("#") and "|" in printed["compare both/base"]
