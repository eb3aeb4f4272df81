"""A simulated Joulescope, told as its maker's library tells: statistics at 50 Hz from a thread."""

from __future__ import annotations

import sys
import threading
import time
import types

LIBRARY = types.ModuleType("joulescope")
LIBRARY.connected = []
LIBRARY.scan = lambda name=None, config=None: list(LIBRARY.connected)


def install():
    """Puts the library in the place of the maker's."""
    sys.modules["joulescope"] = LIBRARY


class Instrument:
    """Adds up a power that is a function of its own time.

    Attributes:
        began_s: Its time 0, on the host's monotonic clock.
        clock: How fast its clock runs beside the host's.
        lost: Whether the statistics of a time are lost on the way.
    """

    def __init__(self, name, energy_j, clock=1.0, lost=lambda t: False, fails=False):
        self.name, self.energy_j, self.clock, self.lost = name, energy_j, clock, lost
        self.fails = fails
        self.parameters = {}
        self.is_open = False
        self.began_s = None
        self._callbacks = []
        self._ends = threading.Event()

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
        self.began_s = time.monotonic()
        self._thread = threading.Thread(target=self._tell, daemon=True)
        self._thread.start()

    def statistics_callback_unregister(self, callback, source):
        self._ends.set()
        self._thread.join()
        self._callbacks.remove(callback)

    def _tell(self):
        rate_hz = int(self.parameters["reduction_frequency"].split()[0])
        number = 0
        while not self._ends.is_set():
            start_s, stop_s = number / rate_hz, (number + 1) / rate_hz
            time.sleep(max(0.0, self.began_s + stop_s / self.clock - time.monotonic()))
            number += 1
            if not self.lost(stop_s):
                self._callbacks[0](
                    {
                        "time": {"range": {"value": [start_s, stop_s], "units": "s"}},
                        "accumulators": {"energy": {"value": self.energy_j(stop_s), "units": "J"}},
                    }
                )
