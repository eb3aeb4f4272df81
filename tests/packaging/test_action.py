"""The GitHub Action's steps, run as the runner would run them: bash, files for outputs, a `gh`."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from edgeprune.data.example import write_tiny

ACTION = yaml.safe_load((Path(__file__).parents[2] / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
_NAME = re.compile(r"\$\{\{ ([\w.-]+) \}\}")


@pytest.fixture
def runner(tmp_path, home):
    """Runs a step by its name; returns its exit code. Steps hand each other outputs and paths."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "gh").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/gh.txt\n')
    (tools / "edgeprune").write_text(f'#!/bin/sh\nexec {sys.executable} -m edgeprune "$@"\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    known = {f"inputs.{name}": one.get("default", "") for name, one in ACTION["inputs"].items()}
    known |= {"github.token": "t", "github.event.pull_request.html_url": "https://pr/1"}

    def run(name, **inputs):
        known.update({f"inputs.{key.replace('_', '-')}": value for key, value in inputs.items()})
        step = STEPS[name]
        files = {key: tmp_path / key for key in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        env = os.environ | {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "RUNNER_TEMP": str(tmp_path),
            **{key: str(path) for key, path in files.items()},
            **{key: _NAME.sub(lambda m: known[m[1]], text) for key, text in step["env"].items()},
        }
        argv = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(argv, cwd=tmp_path, env=env, timeout=300, check=False)
        if files["GITHUB_OUTPUT"].is_file():
            for line in files["GITHUB_OUTPUT"].read_text().splitlines():
                key, _, value = line.partition("=")
                known[f"steps.{step.get('id')}.outputs.{key}"] = value
        return done.returncode

    return run


def test_an_equal_model_passes_and_the_comment_holds_the_comparison(runner, tmp_path):
    model, data = write_tiny(tmp_path)
    (tmp_path / "base model.tflite").write_bytes(model.read_bytes())
    given = {"model": model.name, "baseline": "base model.tflite", "data": data.name}
    assert runner("Measure", **given, board="local") == 0
    outputs = (tmp_path / "GITHUB_OUTPUT").read_text()
    for name, folder in (("baseline", "base model"), ("result", model.stem)):
        assert f"{name}={tmp_path / 'edgeprune' / folder}\n" in outputs
        assert (tmp_path / "edgeprune" / folder / "result.json").is_file()
    # Times of a busy machine may differ; the accuracy of one file does not.
    assert runner("Compare", max_regression="10000%") == 0
    assert "accuracy" in (tmp_path / "GITHUB_STEP_SUMMARY").read_text()
    assert runner("Comment") == 0
    told = (tmp_path / "gh.txt").read_text().splitlines()
    assert told[:3] == ["pr", "comment", "https://pr/1"]
    assert Path(told[-1]).read_text() == (tmp_path / "GITHUB_STEP_SUMMARY").read_text()


def test_the_last_step_ends_as_the_comparison_did():
    for status in ("0", "1", "2"):
        step = STEPS["Judge"]
        argv = ["bash", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(argv, env={"STATUS": status, "PATH": os.environ["PATH"]}, check=False)
        assert done.returncode == int(status)


def test_no_input_reaches_a_shell_as_code():
    for name, step in STEPS.items():
        assert "${{" not in step["run"], f"{name}: inputs go through env, where nothing runs them"
