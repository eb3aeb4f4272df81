"""The container file's own commands, in its order, as far as they go without containers."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "Containerfile").read_text(encoding="utf-8")


def instructions():
    """Every instruction with its words, by stage."""
    stages = []
    for line in re.sub(r"\\\n", "", TEXT).splitlines():
        if line.strip() and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            if word == "FROM":
                stages.append([])
            stages[-1].append((word, rest.strip()))
    return stages


def test_what_is_installed_is_what_was_built_and_nobody_is_root():
    build, final = instructions()
    assert ("COPY", "--from=build /wheels /wheels") in final
    words = [word for word, _ in final]
    assert "USER" in words and words.index("USER") < words.index("ENTRYPOINT")
    # What a farm knows is on the volume, which the user may write.
    home = dict(rest.split("=") for word, rest in final if word == "ENV")["EDGEPRUNE_HOME"]
    assert ("VOLUME", home) in final
    assert any(f"chown user /work {home}" in rest for word, rest in final if word == "RUN")
    assert dict(final)["ENTRYPOINT"] == '["edgeprune"]'
    assert {image.split()[0] for word, image in (build[0], final[0])} == {build[0][1].split()[0]}


def test_the_extras_that_it_takes_exist():
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for named in re.findall(r"EXTRAS=([\w,]+)", TEXT):
        assert set(named.split(",")) <= set(extras)


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Runs a RUN instruction with the container's folders below a passing one, without network.

    What pip would fetch is this environment's own; it installs what was built, and nothing else.
    """
    root = tmp_path_factory.mktemp("container")
    (root / "wheels").mkdir()
    subprocess.run(
        [sys.executable, "-m", "venv", "--system-site-packages", root / "venv"], check=True
    )
    own = next((root / "venv").glob("lib/python*/site-packages"))
    (own / "outer.pth").write_text("\n".join(p for p in sys.path if p.endswith("site-packages")))

    def run(command, folder=ROOT):
        command = command.replace("/wheels", f"{root}/wheels")
        command = command.replace("pip wheel", "pip wheel --no-build-isolation")
        command = command.replace(
            "pip install", "pip install --no-deps --no-index --force-reinstall"
        )
        env = os.environ | {
            "PATH": f"{root}/venv/bin:{os.environ['PATH']}",
            "EXTRAS": "ssh,quantize",
            "PACKAGES": "",
        }
        env.pop("PYTHONPATH", None)
        return subprocess.run(
            ["sh", "-ec", command], cwd=folder, env=env, capture_output=True, text=True, timeout=600
        )

    run.root = root
    return run


def test_its_commands_build_install_and_diagnose(shell):
    build, final = instructions()
    (wheel,) = [rest for word, rest in build if word == "RUN"]
    done = shell(wheel)
    assert done.returncode == 0, done.stderr
    packages, install, _, doctor = [rest for word, rest in final if word == "RUN"]
    assert shell(packages).returncode == 0  # none are asked for
    done = shell(install)
    assert done.returncode == 0, done.stderr
    done = shell(doctor, shell.root)
    assert done.returncode == 0, done.stdout + done.stderr
    code = "import edgeprune; print(edgeprune.__file__)"
    done = shell(f"python -c '{code}'", shell.root)
    assert str(shell.root) in done.stdout
