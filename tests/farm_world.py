"""What simulated devices measure: files that truly get slower now and then, and devices' noise."""

import json
from dataclasses import dataclass

import numpy as np
from farm_series import KINDS, SCALES, STEPS, noise

from edgeprune.farm.executor import Run
from edgeprune.farm.trends.confirmation import SESSIONS
from edgeprune.history.figures import Figure

GOLDEN = "/golden"
EARLIEST = 7
"""First night on which a file may change: detectors need five before."""

STEP_SHARE, OTHER_SHARE = 0.5, 0.25
"""Of all files: those that change with their time, and those that change without."""


@dataclass(frozen=True)
class Model:
    """One model file over the nights.

    Attributes:
        base: Logarithm of its time.
        night: The night of its new version, or None.
        size: By how much that is slower, as a logarithm.
    """

    base: float
    night: int | None
    size: float


@dataclass
class State:
    """How one device scatters.

    Attributes:
        kind: Which noise it has, one of ``farm_series.KINDS``.
        scale: Standard deviation of one run.
        upper: How often it is on the upper one of two levels, and how far that lies above.
        phase: Of a season.
        walk: Where it has drifted to, a value a night.
    """

    kind: str
    scale: float
    upper: tuple
    phase: tuple
    walk: list


class World:
    """The truth, of which the scheduler sees nothing."""

    def __init__(self, devices, seed, nights=30, kinds=KINDS, scales=SCALES):
        self._rng = np.random.default_rng([seed, 7])
        self._nights, self._models = nights, {}
        self.update = None
        """Night of a new runtime, and the logarithm by which it is slower on devices; or None."""
        self._states = {
            name: self._state(kinds[number % len(kinds)], scales)
            for number, name in enumerate(devices)
        }

    def _state(self, kind, scales):
        rng = self._rng
        scale = float(np.exp(rng.uniform(*np.log(scales))))
        return State(
            kind, scale, (rng.uniform(0.1, 0.5), rng.uniform(0.01, 0.05)),
            (rng.uniform(2, 10), rng.uniform(0, 6)), [0.0],
        )  # fmt: skip

    def state(self, device):
        """How a device scatters."""
        return self._states[device]

    def model(self, path):
        """The truth of a file; made up at the first question."""
        if path not in self._models:
            seeded = np.random.default_rng([*path.encode()])
            chance, night, size = seeded.random(), None, 0.0
            if path != GOLDEN and chance < STEP_SHARE + OTHER_SHARE and self._nights > EARLIEST + 2:
                night = int(seeded.integers(EARLIEST, self._nights - 1))
            if night is not None and chance < STEP_SHARE:
                size = float(np.log1p(seeded.uniform(*STEPS)) * seeded.choice([-1, 1]))
            self._models[path] = Model(float(seeded.uniform(5, 11)), night, size)
        return self._models[path]

    def plant(self, path, night, factor):
        """Has a file change on a night."""
        self._models[path] = Model(7.0, night, float(np.log(factor)))

    def digest(self, path, night):
        """Digest of a model's deployed file on a night."""
        model = self.model(path)
        version = int(model.night is not None and night >= model.night)
        return f"{path.encode().hex()[-60:]:0>60}{version:04x}"

    def _size(self, path, digest):
        return self.model(path).size if int(digest[-4:], 16) else 0.0

    def run(self, device, path, night, digest=None):
        """One run of a model's file: a result with its figure."""
        state = self._states[device]
        digest = digest or self.digest(path, night)
        kind = "steady" if state.kind in ("drift", "season") else state.kind
        log = self.model(path).base + self._size(path, digest) + self._moved(state, night)
        log += float(noise(kind, 1, state.scale, state.upper, self._rng)[0])
        if self._is_updated(night):
            log += self.update[1].get(device, 0.0)
        return Run(device, "{}", (self._figure(log, digest, night),), {}, digest)

    def _is_updated(self, night):
        return self.update is not None and night >= self.update[0]

    def in_turns(self, device, path, digests, night):
        """The files of two digests side by side: a run of each, with its sessions."""
        state = self._states[device]
        kind = "steady" if state.kind in ("drift", "season") else state.kind
        runs = []
        for digest in digests:
            logs = noise(kind, SESSIONS, state.scale, state.upper, self._rng)
            logs = logs + self.model(path).base + self._size(path, digest)
            sessions = {"latency_us": tuple(np.exp(logs).tolist())}
            figure = self._figure(float(np.median(logs)), digest, night)
            runs.append(Run(device, "{}", (figure,), sessions, digest))
        return runs

    def _figure(self, log, digest, night):
        runtime = f"LiteRT 2.{4 if self._is_updated(night) else 3}.0"
        conditions = json.dumps({"os": "Linux", "runtime": runtime})
        return Figure("deployed", "latency_us", float(np.exp(log)), digest, conditions)

    def _moved(self, state, night):
        """Where the device is on a night, which changes slowly."""
        if state.kind == "season":
            return 0.01 * float(np.sin(night / state.phase[0] + state.phase[1]))
        while len(state.walk) <= night:
            step = self._rng.normal(0, state.scale / 6) if state.kind == "drift" else 0.0
            state.walk.append(state.walk[-1] + float(step))
        return state.walk[night]
