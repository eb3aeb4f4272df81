"""A history with many nights of a whole farm, made up: levels with noise, steps, and every trouble.

It is written into the tables at once, for pages and for measuring what much history costs.
"""

import itertools
import json
import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from farm_series import KINDS, noise
from results import counted, document, layer, processes, result_of, variant
from sqlalchemy import insert

from edgeprune.history import database
from edgeprune.history.farm_tables import (
    ATTEMPTS,
    CHANGES,
    DEVICES,
    EVENTS,
    JOBS,
    NIGHTS,
    RESULTS,
)
from edgeprune.history.place import place
from edgeprune.history.tables import FIGURES, RUNS

FIRST = datetime(2025, 11, 30, 21, tzinfo=UTC)
DAY_MS = 86_400_000
MODELS = ("keywords", "images", "persons", "anomalies", "faces", "speech")
BOARDS = {"rpi4": 1.0, "pixel-8": 0.4, "rpi4-emulated": None}
"""How much slower than the first a board is; None where instructions are counted."""

HOLDER = "lab-host process 47 since 11 boot ab number cd"
SPMM = "Convolution (NCHW, F32) SPMM"
GOLDEN = None
"""In place of a model's number."""

FAILURES = {
    (0, 2): ("failed", "test", "outputs differ from the host's: 0.12 at layer block_3"),
    (2, 1): ("failed", "infrastructure", "adb: device offline"),
    (3, 1): ("failed", "job", "it took longer than its 600 s and was ended"),
    (4, 0): ("failed", "configuration", "no recipe is called 'int9'"),
    (5, 3): ("missed", None, "the deadline came first"),
}
"""Of the newest night: state, kind and message by number of the device and of the model."""

QUARANTINES = {
    1: "the golden model took 1,122, 21.3% more than the 925 of its first 9 runs",
    7: "3 infrastructure errors in a row: ssh lab@pi-07: no answer for 30 s",
}
OFFLINE = (2, 7)
BIG_STEP = 0.081
"""Of the second model on every rpi4 in the newest night, as a logarithm."""


@dataclass(frozen=True)
class Year:
    """What to make.

    Attributes:
        nights: How many.
        devices: How many; every tenth is emulated.
        models: How many.
        samples: Timed runs in each of a result's 15 processes: they make its size.
        seed: Of everything that is random.
        quiet: Nothing fails and nothing is out of order, but for the noise.
    """

    nights: int = 365
    devices: int = 20
    models: int = len(MODELS)
    samples: int = 1000
    seed: int = 1
    quiet: bool = False

    @property
    def last(self):
        return self.nights - 1


@dataclass
class Series:
    """One model on one device: a figure a night, which file it is of, and when it stepped."""

    values: np.ndarray
    files: list
    steps: list


def device_names(year):
    """Name and board of each device."""
    boards = ["rpi4-emulated" if n % 10 == 9 else ("rpi4", "pixel-8")[n % 3 == 2]
              for n in range(year.devices)]  # fmt: skip
    short = {"rpi4": "pi", "pixel-8": "phone", "rpi4-emulated": "emulated"}
    return [(f"{short[board]}-{n:02}", board) for n, board in enumerate(boards)]


def model_path(number):
    """The file of a model; there are more than names."""
    name = MODELS[number % len(MODELS)] + (f"-{number}" if number >= len(MODELS) else "")
    return f"/lab/models/{name}.tflite"


def night_name(number):
    return f"nightly {(FIRST + timedelta(days=number)).date()}"


def began_ms(night):
    return round((FIRST + timedelta(days=night)).timestamp() * 1000)


def series_of(year, rng, model, board):
    """A level with noise and two steps, each with another file."""
    factor, steps = BOARDS[board], []
    logs = np.zeros(year.nights)
    if factor is not None:
        scale = float(rng.uniform(0.003, 0.012))
        logs += noise(KINDS[int(rng.integers(len(KINDS)))], year.nights, scale, (0.2, 0.02), rng)
    if not year.quiet and year.nights > 20:
        for night in sorted(map(int, rng.choice(np.arange(10, year.nights - 5), 2))):
            size = float(math.log1p(rng.uniform(0.04, 0.12)) * rng.choice([-1, 1]))
            steps.append((night, size))
    if not year.quiet and model == 1 and board == "rpi4":
        steps[-1:] = [(year.last, BIG_STEP)]
    for night, size in steps:
        logs[night:] += size
    level = 900.0 * 1.9**model * (1e4 if factor is None else factor)
    files = [f"{model:02x}{sum(night >= at for at, _ in steps):02x}".ljust(64, "a")
             for night in range(year.nights)]  # fmt: skip
    values = (level * np.exp(logs)).round(0 if factor is None else 3)
    return Series(values, files, steps)


def result_text(year, path, board, device, median, sha256):
    """A whole result as JSON."""
    layers = [layer(f"net/block_{n}/conv/Conv2D", SPMM if n % 2 else "Convolution (NHWC) IGEMM")
              for n in range(28)]  # fmt: skip
    rest = {"bytes": 866_808, "sparsity": 0.81, "layers": layers, "sparse_layers_run": 14,
            "sparse_layers_expected": 14, "sha256": sha256}  # fmt: skip
    if BOARDS[board] is None:
        one = counted("deployed", int(median), **rest)
    else:
        rng = np.random.default_rng(int(median))
        times = [tuple(center[0] * rng.lognormal(0, 0.01, year.samples))
                 for center in processes(median, 15)]  # fmt: skip
        one = variant("deployed", times, **rest)
    device_of = {"id": device, "cpu": "Cortex-A72", "os": "Linux 6.6", "agent_version": "1",
                 "runtime_version": "LiteRT 2.3.0"}  # fmt: skip
    model = {"path": path, "sha256": sha256, "format": "tflite"}
    return json.dumps(document(result_of(one, board=board, device=device_of, model=model)))


def conditions(night, board):
    """A runtime of another release from night 120 on, another system from 200 on."""
    system = "none" if BOARDS[board] is None else f"Linux 6.{6 + 6 * (night >= 200)}"
    runtime = f"LiteRT 2.{2 + (night >= 120)}.0"
    return json.dumps({"agent": "1", "os": system, "runtime": runtime, "threads": "1"})


class Filler:
    """Writes the history night by night."""

    def __init__(self, year, connection):
        self.year, self.connection = year, connection
        self.rng = np.random.default_rng(year.seed)
        self.devices = device_names(year)
        self.series = {(m, d): series_of(year, self.rng, m, board)
                       for m in range(year.models) for d, board in self.devices}  # fmt: skip
        self.run = self.epoch = 0
        self.run_of, self.templates = {}, {}
        self.rows = defaultdict(list)

    def night(self, night):
        """One night with all its jobs."""
        year, start_ms = self.year, began_ms(night)
        self.rows[NIGHTS].append({
            "night": night_name(night), "plan": "nightly", "plan_sha256": "0" * 64,
            "began_ms": start_ms, "ended_ms": start_ms + 5 * 3_600_000,
            "deadline_ms": start_ms + 9 * 3_600_000,
        })  # fmt: skip
        number = 0
        for at, (device, board) in enumerate(self.devices):
            is_away = not year.quiet and (
                self.rng.random() < 0.004 or (40 <= night < 47 and at == 1)
            )
            for model in (GOLDEN, *range(year.models)):
                failure = None
                if is_away:
                    failure = ("failed", "infrastructure", "ssh lab@pi: no answer for 30 s")
                elif night == year.last and not year.quiet:
                    failure = FAILURES.get((at, model))
                self.job(night, number, (device, board), model, failure)
                number += 1
        if night % 5 == 4 or night == year.last:
            for table, rows in self.rows.items():
                self.connection.execute(insert(table), rows)
            self.rows.clear()

    def job(self, night, number, on, model, failure):
        """One job, with its attempts and what came of it."""
        device, board = on
        at_ms = began_ms(night) + 60_000 * (number // self.year.devices)
        path, value, sha256 = self.measured(night, device, board, model)
        self.epoch += 1
        job = f"{night:05}{self.epoch:027x}"
        state, kind, message = failure or ("done", None, None)
        self.rows[JOBS].append({
            "job": job, "night": night_name(night), "number": number,
            "kind": "golden" if model is GOLDEN else "measure", "model_path": path,
            "model_sha256": sha256, "recipe": "as-is", "board": board, "device": device,
            "tags": "[]", "priority": 0, "time_budget_s": 600, "options": "{}", "retries": 0,
            "not_before_ms": 0, "state": state, "error_kind": kind, "message": message,
            "ended_ms": at_ms + 50_000,
        })  # fmt: skip
        tries = 0 if state == "missed" else 3 if kind == "infrastructure" else 1
        for attempt in range(tries):
            self.epoch += attempt > 0
            self.rows[ATTEMPTS].append({
                "device": device, "epoch": self.epoch, "job": job, "holder": HOLDER,
                "began_ms": at_ms, "ended_ms": at_ms + 50_000, "outcome": kind or "done",
                "message": message or "",
            })  # fmt: skip
        if failure is None:
            self.result(night, at_ms, on, model, (job, path, value, sha256))

    def measured(self, night, device, board, model):
        """File, figure and digest; the golden model has no steps."""
        one = self.series[model or 0, device]
        value = float(one.values[night])
        if model is not GOLDEN:
            return model_path(model), value, one.files[night]
        value /= math.exp(sum(size for at, size in one.steps if at <= night))
        return "/lab/golden.tflite", round(value, 3 if BOARDS[board] else 0), "f" * 64

    def result(self, night, at_ms, on, model, of):
        """A run with its figures; only those of the newest night hold their own samples."""
        (device, board), (job, path, value, sha256) = on, of
        if night == self.year.last:
            text = result_text(self.year, path, board, device, value, sha256)
        else:
            if board not in self.templates:
                self.templates[board] = result_text(
                    self.year, "PATH", board, "DEVICE", 1000.0, "c" * 64
                )
            text = self.templates[board].replace("PATH", path).replace("DEVICE", device)
        self.run += 1
        self.run_of[model, device, night] = self.run
        time_utc = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")
        self.rows[RUNS].append({
            "id": self.run, "time_utc": time_utc, "edgeprune_version": "0.1.0", "board": board,
            "device": device, "model_sha256": sha256, "model_path": path, "result": text,
        })  # fmt: skip
        is_counted = BOARDS[board] is None
        figures = {"instructions" if is_counted else "latency_us": value, "bytes": 866_808.0}
        if not is_counted:
            figures |= {"energy_uj": round(value * 2.1, 2), "peak_memory_bytes": 9e6}
        self.rows[FIGURES] += [
            {"run_id": self.run, "variant": "deployed", "metric": name, "value": figure,
             "file_sha256": sha256, "conditions": conditions(night, board)}
            for name, figure in figures.items()
        ]  # fmt: skip
        self.rows[RESULTS].append({
            "job": job, "night": night_name(night), "device": device, "epoch": self.epoch,
            "run": self.run,
        })  # fmt: skip

    def changes(self):
        """What was found of the steps: confirmed, but for the first model's first one."""
        boards = dict(self.devices)
        for (model, device), one in self.series.items():
            is_counted = BOARDS[boards[device]] is None
            metrics = ["instructions"] if is_counted else ["latency_us", "energy_uj"]
            for metric, (at, (first, size)) in itertools.product(metrics, enumerate(one.steps)):
                nights = min(first + 1, self.year.last), first, max(0, first - 3)
                runs = [self.run_of.get((model, device, night)) for night in nights]
                is_denied = model == 0 and at == 0
                if None not in runs:
                    self.connection.execute(insert(CHANGES).values(
                        board=boards[device], device=device, model_path=model_path(model),
                        variant="deployed", metric=metric, run=runs[0], first_run=runs[1],
                        old_run=runs[2], effect=size, p_value=0.4 if is_denied else 1e-6,
                        factor=1.002 if is_denied else math.exp(size),
                        is_confirmed=int(not is_denied), votes='["shift", "ranks"]',
                        reasons="[]" if is_denied else '["the model\'s file changed"]',
                    ))  # fmt: skip

    def health(self):
        """How the devices are, and what befell them."""
        now_ms = began_ms(self.year.last) + 5 * 3_600_000
        for at, (device, board) in enumerate(self.devices):
            reason = None if self.year.quiet else QUARANTINES.get(at)
            is_gone = at in OFFLINE and not self.year.quiet
            self.connection.execute(insert(DEVICES).values(
                device=device, board=board, host="lab-host", epoch=10_000_000 + at, clean_runs=0,
                state="offline" if is_gone else "online", troubles=3 if is_gone else 0,
                state_message="adb: device offline" if is_gone else None,
                seen_ms=now_ms - (2 * DAY_MS if is_gone else 60_000), quarantine_reason=reason,
                quarantined_ms=now_ms - 3 * DAY_MS if reason else None,
            ))  # fmt: skip
            events = [(0, "found", "lab-host")]
            if at == 1:
                events += [(40, "lost", "no answer"), (42, "power-cycled", "uhubctl: done"),
                           (47, "found", "lab-host")]  # fmt: skip
            if reason:
                events.append((max(0, self.year.nights - 4), "quarantined", reason))
            for night, kind, message in events:
                if night < self.year.nights:
                    self.connection.execute(insert(EVENTS).values(
                        time_ms=began_ms(night), night=night_name(night), device=device,
                        kind=kind, message=message,
                    ))  # fmt: skip


def fill(year):
    """Writes the history, in which nothing may be; how many runs there are."""
    with database.writing(place()) as connection:
        filler = Filler(year, connection)
        for night in range(year.nights):
            filler.night(night)
        filler.changes()
        filler.health()
    return filler.run
