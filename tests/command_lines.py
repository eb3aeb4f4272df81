"""Runs command lines one after the other in one fresh process: only the first imports all."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

PROGRAM = """
import contextlib, json, os, sys, tempfile, traceback
from edgeprune import cli

@contextlib.contextmanager
def caught(number, texts):
    kept = os.dup(number)
    with tempfile.TemporaryFile("w+") as file:
        os.dup2(file.fileno(), number)
        try:
            yield
        finally:
            (sys.stdout if number == 1 else sys.stderr).flush()
            os.dup2(kept, number)
            file.seek(0)
            texts.append(file.read())

answers = []
for argv in json.loads(sys.argv[1]):
    texts, code = [], 0
    with caught(1, texts), caught(2, texts):
        try:
            cli.main(argv)
        except SystemExit as ended:
            code = ended.code
        except BaseException:
            code = "died"
            traceback.print_exc()
    answers.append([code, *reversed(texts), sorted(sys.modules), sorted(os.listdir())])
print(json.dumps(answers))
"""


@dataclass(frozen=True)
class Answer:
    """What a command line did.

    Attributes:
        code: Its exit code.
        stdout: What it printed.
        stderr: What it said.
        modules: What was imported by then.
        files: What lay in the folder by then.
    """

    code: int
    stdout: str
    stderr: str
    modules: list[str]
    files: list[str]


def answers(argvs, cwd):
    """The answers of edgeprune to lists of words, in their order, as run in a folder."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(argvs)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        text=True,
        timeout=600,
        check=True,
    )
    return [Answer(*one) for one in json.loads(done.stdout)]
