"""Changes the code of a room, one place at a time, and counts the changes that its tests notice.

    pip install "mutmut>=3.8,<4"
    python benchmarks/mutation.py FOLDER [ROOM ...]

The rooms, their tests and the survivors with a reason are in ``benchmarks/mutation.toml``. The code
is changed in a copy below FOLDER. Exit code 1: fewer than 90 % of a room's mutants were killed, or
one survived without a reason.

Not changed: what runs at import (constants), decorated functions except cached ones (properties),
annotations, f-strings, and the words of messages (text with a space in it).
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TABLE = Path(__file__).with_suffix(".toml")
LEAST_KILLED = 0.9
SURVIVED = (0, 5, 33)
"""Exit codes of mutmut: all tests passed, or no test runs the function."""
NOT_RUN = (None, 2)

SETTINGS = """[mutmut]
source_paths={source}
only_mutate={files}
also_copy={rest}
pytest_add_cli_args={arguments}
pytest_add_cli_args_test_selection={tests}
process_isolation=forkserver
timeout_multiplier=15
"""
ARGUMENTS = ("-p", "no:xdist", "-p", "no:cacheprovider", "-m", "not device")
# A failing example needs no smaller one, and the same examples every time make a run repeatable.
EXAMPLES = """
from hypothesis import Phase, settings
settings.register_profile(
    "mutation", phases=[Phase.explicit, Phase.generate], database=None, derandomize=True,
    deadline=None, max_examples=50,
)
settings.load_profile("mutation")
"""
LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One change.

    Attributes:
        function: Where, as ``report.statistics.percentile``.
        was: The changed lines before.
        now: The changed lines after.
        survived: Whether no test noticed it.
    """

    function: str
    was: str
    now: str
    survived: bool

    @property
    def is_words(self) -> bool:
        """Whether only a text for people differs."""
        before, after = LITERAL.findall(self.was), LITERAL.findall(self.now)
        if LITERAL.sub("", self.was) != LITERAL.sub("", self.now) or len(before) != len(after):
            return False
        return any(" " in old for old, new in zip(before, after, strict=True) if old != new)


def copy_of_the_tree(room: dict[str, Any], folder: Path) -> None:
    """Lays a fresh copy of the working tree, with the settings of the room."""
    shutil.rmtree(folder, ignore_errors=True)
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True).stdout.decode()
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for pattern in room["files"]:
        for file in filter(Path.is_file, folder.glob(pattern)):  # the same without its memory
            file.write_text(file.read_text().replace("@functools.cache\n", ""))
    with (folder / "tests" / "conftest.py").open("a") as conftest:
        conftest.write(EXAMPLES)
    source = room.get("source", "edgeprune")
    rest = [path.name for path in folder.iterdir() if path.name not in (source, "tests")]
    settings = SETTINGS.format(
        source=source,
        files=_lines(room["files"]),
        rest=_lines(sorted(rest)),
        arguments=_lines([*ARGUMENTS, *_left_out(room.get("without", ()))]),
        tests=_lines(room["tests"]),
    )
    (folder / "setup.cfg").write_text(settings)


def _left_out(without: Sequence[str]) -> list[str]:
    """What tells pytest to leave out the tests that only cost time here."""
    return ["-k", " and ".join(f"not {name}" for name in without)] if without else []


def _lines(values: Any) -> str:
    return "".join(f"\n    {value}" for value in values)


def run_mutants(folder: Path) -> None:
    """Lets mutmut run every mutant; what it prints goes to a file beside the copy."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    log = folder.with_suffix(".log")
    with log.open("w") as out:
        command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1"]
        done = subprocess.run(command, cwd=folder, env=environment, stdout=out, stderr=out)
    if done.returncode:
        raise SystemExit(f"mutmut ended with {done.returncode}; what it printed is in {log}")


def read_mutants(folder: Path) -> Iterator[Mutant]:
    """The mutants that ran, without those that change words alone."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    with contextlib.chdir(folder):
        for meta in sorted(Path("mutants").rglob("*.py.meta")):
            path = str(meta.relative_to("mutants")).removesuffix(".meta")
            for name, code in json.loads(meta.read_text())["exit_code_by_key"].items():
                if code in NOT_RUN:
                    raise SystemExit(f"{name} was not run: run it again")
                diff = get_diff_for_mutant(name, path=path).splitlines()[2:]
                was, now = (
                    " ".join(line[1:].strip() for line in diff if line.startswith(sign))
                    for sign in "-+"
                )
                mutant = Mutant(_readable(name), was, now, code in SURVIVED)
                if not mutant.is_words:
                    yield mutant


def _readable(name: str) -> str:
    """``edgeprune.energy.net.xǁWindowǁlength__mutmut_1`` as ``energy.net.Window.length``."""
    module, _, function = name.removeprefix("edgeprune.").rpartition(".")
    function = function.rpartition("__mutmut_")[0]
    function = function.removeprefix("x_") if "ǁ" not in function else function[2:]
    return f"{module}.{function.replace('ǁ', '.')}"


def judge(name: str, room: dict[str, Any], folder: Path) -> bool:
    """Runs a room's mutants and prints what came of them; whether that is good enough."""
    copy_of_the_tree(room, folder)
    run_mutants(folder)
    mutants = list(read_mutants(folder))
    known = {(one["function"], one["was"], one["now"]) for one in room.get("survivors", ())}
    alive = [mutant for mutant in mutants if mutant.survived]
    fresh = [one for one in alive if (one.function, one.was, one.now) not in known]
    killed = len(mutants) - len(alive)
    share = killed / len(mutants)
    print(
        f"{name}: {len(mutants)} mutants, {killed} killed ({share:.1%}), {len(alive)} survived, "
        f"{len(fresh)} of them without a reason",
        flush=True,
    )
    for mutant in fresh:
        print(f"\n{mutant.function}\n  - {mutant.was}\n  + {mutant.now}")
    return share >= LEAST_KILLED and not fresh


def main() -> int:
    """Runs the rooms that are named, or all."""
    rooms = tomllib.loads(TABLE.read_text())["rooms"]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=", ".join(rooms))
    given = parser.parse_args()
    unknown = [name for name in given.rooms if name not in rooms]
    if unknown:
        parser.error(f"no room {unknown[0]}; there are {', '.join(rooms)}")
    names = given.rooms or list(rooms)
    return 0 if all([judge(name, rooms[name], given.folder / name) for name in names]) else 1


if __name__ == "__main__":
    sys.exit(main())
