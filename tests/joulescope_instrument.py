"""A simulated Joulescope, told as its maker's library tells: statistics at 50 Hz."""

from __future__ import annotations

import sys
import types

LIBRARY = types.ModuleType("joulescope")
LIBRARY.connected = []
LIBRARY.scan = lambda name=None, config=None: list(LIBRARY.connected)


def install():
    """Puts the library in the place of the maker's."""
    sys.modules["joulescope"] = LIBRARY


class Instrument:
    """Adds up a power that is a function of its own time, and tells while the host's time passes.

    Attributes:
        host: The host's clock, simulated.
        began_s: Its time 0, on that clock.
        rate: How fast its own clock runs beside the host's.
        lost: Whether the statistics of a time are lost on the way.
    """

    def __init__(self, host, name, energy_j, rate=1.0, lost=lambda t: False, fails=False):
        self.host, self.rate = host, rate
        self.name, self.energy_j, self.lost = name, energy_j, lost
        self.fails = fails
        self.parameters = {}
        self.is_open = False
        self.began_s = None
        self._callbacks = []

    def __str__(self):
        return self.name

    def open(self):
        if self.fails:
            raise RuntimeError("jsdrv_open failed")
        self.is_open = True

    def close(self):
        self.is_open = False

    def parameter_set(self, name, value):
        self.parameters[name] = value

    def statistics_callback_register(self, callback, source):
        self._callbacks.append(callback)
        self.began_s, self._number = self.host.now_s(), 0
        self.host.passing.append(self._tell)

    def statistics_callback_unregister(self, callback, source):
        self.host.passing.remove(self._tell)
        self._callbacks.remove(callback)

    def _tell(self, _, until_s):
        rate_hz = int(self.parameters["reduction_frequency"].split()[0])
        while (due_s := self.began_s + (self._number + 1) / rate_hz / self.rate) <= until_s:
            start_s, stop_s = self._number / rate_hz, (self._number + 1) / rate_hz
            self._number += 1
            self.host.at_s = due_s
            if not self.lost(stop_s):
                self._callbacks[0](
                    {
                        "time": {"range": {"value": [start_s, stop_s], "units": "s"}},
                        "accumulators": {"energy": {"value": self.energy_j(stop_s), "units": "J"}},
                    }
                )
        self.host.at_s = until_s
