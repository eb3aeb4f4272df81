"""Damaged files through everything that reads them: no traceback, no hang, no signal.

    python benchmarks/damaged_files.py --tflite 20000 --others 2000

Every file is made from a seed and a number, and given to the functions that the commands call, in
worker processes. Counted are tracebacks (exceptions that are no EdgepruneError), hangs and deaths
by a signal; each is printed once with the place where it happened and the number that makes it
again (``--first N --tflite 1``).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

HANG_S = 180.0
"""Longer than any command takes for one of these small files on a busy machine."""

LARGEST_BYTES = 300_000
KINDS = ("refused", "traceback", "hang", "signal", "ok")

Case = tuple[str, int]
"""What is damaged, and the number that decides how."""


def main() -> None:
    """Damages files, counts what became of them, and exits with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tflite", type=int, default=300, help="damaged .tflite files")
    parser.add_argument("--others", type=int, default=100, help="damaged files of each other kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one kind of file")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--every", type=int, default=20, help="compress each N-th .tflite")
    parser.add_argument("--run-every", type=int, default=200, help="run each N-th here")
    parser.add_argument("--models", type=Path, default=Path("../shared/models"))
    given = parser.parse_args()
    cases = list(_cases(given))
    began = time.monotonic()
    counts: Counter[tuple[str, str]] = Counter()
    places: dict[str, tuple[int, str]] = {}
    for (what, number), kind, text in _run(cases, given):
        counts[what, kind] += 1
        if sum(counts.values()) % 1000 == 0:
            print(f"... {sum(counts.values()):,} files", file=sys.stderr, flush=True)
        if kind not in ("ok", "refused"):
            place = f"{what}: {kind}: {text.splitlines()[-1] if text else ''}"
            if place not in places:
                print(f"--- {what} {number}: {kind}\n{text}", flush=True)
            places[place] = (places.get(place, (0, ""))[0] + 1, str(number))
    print(f"{'':<12}" + "".join(f"{kind:>12}" for kind in ("files", *KINDS)))
    for what in dict.fromkeys(what for what, _ in cases):
        row = [counts[what, kind] for kind in KINDS]
        print(f"{what:<12}" + "".join(f"{count:>12,}" for count in (sum(row), *row)))
    print(f"seed {given.seed}, {time.monotonic() - began:.0f} s")
    for place, (count, number) in sorted(places.items(), key=lambda item: -item[1][0]):
        print(f"{count:6} {place} (last: {number})")
    sys.exit(1 if places else 0)


def _cases(given: argparse.Namespace) -> Iterator[Case]:
    import damaged_inputs

    for what in ("tflite", *damaged_inputs.INPUTS):
        count = given.tflite if what == "tflite" else given.others
        if given.only in (None, what):
            yield from ((what, given.first + k) for k in range(count))


def _run(cases: list[Case], given: argparse.Namespace) -> Iterator[tuple[Case, str, str]]:
    """Gives cases to workers, and starts one anew where it hangs or dies."""
    workers = [_Worker(given) for _ in range(given.workers)]
    left = iter(cases)
    try:
        for worker in workers:
            worker.begin(next(left, None))
        while busy := [worker for worker in workers if worker.case is not None]:
            multiprocessing.connection.wait([worker.pipe for worker in busy], 1.0)
            for worker in busy:
                case = worker.case
                if (done := worker.poll()) is not None and case is not None:
                    yield (case, *done)
                    worker.begin(next(left, None))
    finally:
        for worker in workers:
            worker.stop()


class _Worker:
    """One process that handles one file at a time."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given
        self._context = multiprocessing.get_context("spawn")
        self.case: Case | None = None
        self._start()

    def _start(self) -> None:
        self.pipe, theirs = self._context.Pipe()
        arguments = (theirs, self._given)
        self._process = self._context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        self._since = time.monotonic() + 60.0  # what it imports takes time

    def begin(self, case: Case | None) -> None:
        self.case = case
        self._since = max(self._since, time.monotonic())
        if case is not None:
            self.pipe.send(case)

    def poll(self) -> tuple[str, str] | None:
        """Kind and text of what became of the case; None while it is at work."""
        try:
            if self.pipe.poll():
                self._since = time.monotonic()
                kind, text = self.pipe.recv()
                return (kind, text)
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            self._start()
            return ("signal", f"exit code {code}")
        if time.monotonic() - self._since > HANG_S:
            self.stop()
            self._start()
            return ("hang", "")
        return None

    def stop(self) -> None:
        self._process.kill()
        self._process.join()


def _serve(pipe: Connection, given: argparse.Namespace) -> None:
    """Handles cases until the pipe ends."""
    import damaged_inputs

    if hasattr(os, "setsid"):
        os.setsid()
    _bound_memory()
    exercise = {"tflite": _tflite(given)}
    exercise |= {
        what: _other(what, one, given.seed)
        for what, one in damaged_inputs.inputs(given.models).items()
    }
    while True:
        try:
            what, number = pipe.recv()
        except EOFError:
            return
        pipe.send(_judged(exercise[what], number))


def _bound_memory() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _judged(function: Callable[[int], None], number: int) -> tuple[str, str]:
    from edgeprune.errors import EdgepruneError

    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            function(number)
    except EdgepruneError as error:
        if "\n" in str(error) or not str(error):
            return ("traceback", f"a message that is no line: {str(error)!r}")
        return ("refused", "")
    except BaseException as error:  # noqa: BLE001  # that is what is looked for
        frames = traceback.extract_tb(error.__traceback__)
        own = [f for f in frames if "/edgeprune/" in f.filename] or list(frames)
        name = own[-1].filename.split("/edgeprune/")[-1]
        trace = "".join(traceback.format_exception(error)[-8:])
        return ("traceback", f"{trace}{type(error).__name__} in {name}:{own[-1].lineno}")
    return ("ok", "")


def _other(what: str, one: Any, seed: int) -> Callable[[int], None]:
    def exercise(number: int) -> None:
        one.read(one.damaged(random.Random(f"{seed}/{what}/{number}")))

    return exercise


def _tflite(given: argparse.Namespace) -> Callable[[int], None]:
    """What the commands do with a ``.tflite`` file."""
    import damage
    import damaged_networks

    whole = damaged_networks.networks(given.models, LARGEST_BYTES)

    def exercise(number: int) -> None:
        dice = random.Random(f"{given.seed}/tflite/{number}")
        tflite = damage.damage_tflite(dice.choice(whole), dice)
        damaged_networks.through_passes(tflite)
        if number % given.every == 0:
            damaged_networks.through_compress(tflite, dice)
        if number % given.run_every == given.run_every // 2:
            damaged_networks.through_run(tflite, dice)

    return exercise


if __name__ == "__main__":
    main()
