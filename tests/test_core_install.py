"""An installation without any extra: what needs more says so in one line, with the command."""

import json
import subprocess
import sysconfig
import venv
import zipfile
from pathlib import Path

import nets
import pytest

from edgeprune.agents.build import agent
from edgeprune.devices.toolchain.zig import host_isa

EXTRAS = (
    "h5py", "tensorflow", "tensorboard", "keras", "tf_keras", "PIL", "pillow", "litert_quantizer",
    "adbutils", "ziglang", "paramiko", "cryptography", "bcrypt", "nacl", "invoke", "cffi",
    "dask", "distributed", "sklearn", "scikit_learn", "joulescope", "mlflow", "edgeprune",
    "_edgeprune", "__editable__",
)  # fmt: skip
HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(100)


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """A Python that has this environment's packages but for those of the extras.

    What an extra compiles is compiled already, as in a wheel.
    """
    agent(f"{host_isa()}-linux-gnu")
    folder = tmp_path_factory.mktemp("core")
    venv.create(folder, symlinks=True, with_pip=False)
    there = next(folder.glob("lib/python*/site-packages"))
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not entry.name.startswith(EXTRAS) and entry.suffix != ".pth":
            (there / entry.name).symlink_to(entry)
    (there / "edgeprune.pth").write_text(str(Path(__file__).parents[1]))
    return folder / "bin" / "python"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "m.h5").write_bytes(HDF5)
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.10.0"}')
        archive.writestr("config.json", '{"class_name": "Sequential", "config": {"layers": []}}')
        archive.writestr("model.weights.h5", HDF5)
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"\x08\x01")
    (tmp_path / "bench.toml").write_text('[devices.pi]\nboard = "rpi4"\nhost = "10.0.0.1"\n')
    (tmp_path / "m.tflite").write_bytes(nets.eligible())
    for name in "ab":
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    return tmp_path


def command(core, files, *argv):
    return subprocess.run(
        [core, "-m", "edgeprune", *argv],
        cwd=files,
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
    )


NEEDS = [
    (("explain", "m.h5", "--board", "rpi4"), "h5py: pip install 'edgeprune[keras]'"),
    (("explain", "m.keras", "--board", "rpi4"), "pip install 'edgeprune[keras]'"),
    (("compress", "saved", "-o", "o.tflite"), "tensorflow: pip install 'edgeprune[keras]'"),
    (
        ("compress", "m.tflite", "-o", "o.tflite", "--data", "images"),
        "an image file needs PIL: pip install 'edgeprune[keras]'",
    ),
    (
        ("compress", "m.tflite", "-o", "o.tflite", "--quantize", "int8", "--sparsity", "0"),
        "litert_quantizer: pip install 'edgeprune[quantize]'",
    ),
    (("deploy", "m.tflite", "--board", "pixel-8"), "adbutils: pip install 'edgeprune[adb]'"),
    (("farm", "worker", "127.0.0.1"), "dask: pip install 'edgeprune[dask]'"),
    (("farm", "certificates", "new", "lab1"), "cryptography: pip install 'edgeprune[dask]'"),
    (("example", "digits"), "sklearn: pip install 'edgeprune[all]'"),
    (
        ("deploy", "m.tflite", "--board", "local", "--mlflow"),
        "--mlflow needs mlflow: pip install 'edgeprune[mlflow]'",
    ),
    (
        ("deploy", "m.tflite", "--board", "rpi4", "--host", "pi@10.0.0.1"),
        "ssh needs paramiko: pip install 'edgeprune[ssh]'",
    ),
    (
        ("devices", "trust", "pi", "--bench", "bench.toml"),
        "ssh needs paramiko: pip install 'edgeprune[ssh]'",
    ),
]
"""Commands, and what each says is missing."""
IN_TURN = """
import contextlib, io, json, sys
from edgeprune import cli
for argv in json.loads(sys.argv[1]):
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        try:
            cli.main(argv)
        except SystemExit as done:
            code = done.code
    print(json.dumps([code, said.getvalue()]))
"""


def test_what_is_missing_is_named_in_one_line_with_the_command(core, files):
    """All in one process, whose start takes longer than each."""
    before = sorted(files.rglob("*"))
    argv = [core, "-P", "-c", IN_TURN, json.dumps([argv for argv, _ in NEEDS])]
    done = subprocess.run(
        argv, cwd=files, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    for (argv, says), (code, said) in zip(NEEDS, answers, strict=True):
        assert code == 2, (argv, said)
        lines = [line for line in said.splitlines() if line.startswith("edgeprune: ")]
        assert len(lines) == 1 and says in lines[0], (argv, said)
        assert "Traceback" not in said
    assert sorted(files.rglob("*")) == before


def test_a_tflite_file_needs_no_extra(core, files):
    done = command(core, files, "explain", "m.tflite", "--board", "rpi4", "--json")
    assert done.returncode == 0, done.stderr


def test_without_any_extra_the_tiny_example_is_made_run_and_scored(core, files):
    assert command(core, files, "example", "tiny").returncode == 0
    argv = ("--board", "local", "--data", "tiny.npz", "--runs", "3", "--json")
    done = command(core, files, "run", "tiny.tflite", *argv)
    assert done.returncode == 0, done.stderr
    (variant,) = json.loads(done.stdout)["variants"]
    assert variant["accuracy"]["value"] > 0.85 and variant["accuracy"]["samples"] == 320
    assert variant["latency_us"]["median"] > 0


def test_doctor_says_what_each_missing_extra_is_for(core, files):
    done = command(core, files, "doctor", "--json")
    assert done.returncode == 0, done.stderr
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    for name in ("paramiko", "adbutils", "tensorflow", "litert-quantizer", "scikit-learn"):
        assert found[name]["state"] == "missing" and "pip install" in found[name]["fix"]
    assert found["agent"]["state"] == "ok"
