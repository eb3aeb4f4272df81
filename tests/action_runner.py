"""Does the GitHub Action's steps as GitHub's runner does: bash, conditions, files for outputs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml
from nets import Net

ROOT = Path(__file__).resolve().parents[1]
_VALUE = re.compile(r"\$\{\{ ([\w.-]+) \}\}")
_CONDITION = re.compile(r"([\w.-]+) (==|!=) '([^']*)'")


def action(folder="."):
    """An action's file."""
    return yaml.safe_load((ROOT / folder / "action.yml").read_text(encoding="utf-8"))


def steps(folder="."):
    """An action's steps by name."""
    return {step["name"]: step for step in action(folder)["runs"]["steps"]}


class Runner:
    """A job of its own in ``folder``; ``env`` is what GitHub sets beside the usual."""

    def __init__(self, folder, **env):
        self.folder, self.env = folder, env
        self.tools = folder / "tools"
        self.tools.mkdir()
        (self.tools / "edgeprune").write_text(
            f'#!/bin/sh\nexec {sys.executable} -m edgeprune "$@"\n'
        )
        (self.tools / "python3").symlink_to(sys.executable)
        (self.tools / "edgeprune").chmod(0o755)

    def run(self, action_folder=".", without=("Install",), **inputs):
        """Runs an action; returns the exit code of its first step that failed, and what was said.

        Args:
            action_folder: Where its file is.
            without: Steps that are left out.
            inputs: As a workflow gives them, with _ for -.
        """
        defaults = action(action_folder)["inputs"]
        known = {f"inputs.{name}": one.get("default", "") for name, one in defaults.items()}
        known |= {f"inputs.{key.replace('_', '-')}": value for key, value in inputs.items()}
        self.known = known
        known["github.token"] = "token"
        printed = ""
        for name, step in steps(action_folder).items():
            if name in without or not self._holds(step.get("if", ""), known):
                continue
            code, text = self._step(step, known, action_folder)
            printed += text
            if code:
                return code, printed
        return 0, printed

    @staticmethod
    def _holds(condition, known):
        """Whether a step is done."""
        parts = _CONDITION.findall(condition)
        assert len(parts) == condition.count("'") // 2, condition
        return all((known.get(key, "") == text) == (how == "==") for key, how, text in parts)

    def _step(self, step, known, action_folder):
        output = self.folder / "GITHUB_OUTPUT"
        output.write_text("")
        env = os.environ | {
            "PATH": f"{self.tools}:{os.environ['PATH']}",
            "RUNNER_TEMP": str(self.folder),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_PATH": str(self.folder / "GITHUB_PATH"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "GITHUB_STEP_SUMMARY"),
            "GITHUB_ACTION_PATH": str(ROOT / action_folder),
            **self.env,
            **{
                key: _VALUE.sub(lambda m: known.get(m[1], ""), text)
                for key, text in step["env"].items()
            },
        }
        if (self.folder / "GITHUB_PATH").is_file():
            own = (self.folder / "GITHUB_PATH").read_text().split("\n")
            env["PATH"] = ":".join([*filter(None, own), env["PATH"]])
        argv = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(
            argv, cwd=self.folder, env=env, capture_output=True, text=True, timeout=600, check=False
        )
        for line in output.read_text().splitlines():
            key, _, value = line.partition("=")
            known[f"steps.{step.get('id')}.outputs.{key}"] = value
        return done.returncode, done.stdout + done.stderr


def write_event(folder, event):
    """What GitHub says of the event that began a workflow; the path of its file."""
    file = folder / "event.json"
    file.write_text(json.dumps(event))
    return str(file)


def network(classes=12, size=22):
    """A small separable network; a class more takes about 0.1 % more instructions."""
    net = Net()
    x = net.conv(net.input(1, size, size, 3), 16, kernel=3, stride=2)
    x = net.conv(net.depthwise(x), 32)
    x = net.conv(net.depthwise(x), 64)
    return net.build(net.dense(net.mean(x), classes))
