"""A Joulescope JS110 or JS220 in the supply line, through its maker's library ``joulescope``.

The instrument itself adds up energy at 1 or 2 MHz and tells the sum 50 times a second. Source:
Jetperch, pyjoulescope 1.x, Device.statistics_callback_register.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, ClassVar

import joulescope
import numpy as np

from edgeprune.energy.arrivals import host_times_s
from edgeprune.energy.power_trace import PowerTrace, Tier
from edgeprune.errors import ConfigError, DeviceError, NoSensor
from edgeprune.meters.base import METERS, Meter, Site

_RATE_HZ = 50
_DRIFT_S = 0.05


@METERS.register
class Joulescope(Meter):
    """Records the energy that flows through the instrument."""

    tier: ClassVar[Tier] = "measured-external"
    on_device: ClassVar[bool] = False

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.update_period_s = 1 / _RATE_HZ
        self._device: Any = None
        self._told: list[tuple[float, float, float]] = []
        self._guard = threading.Lock()

    def open(self) -> None:
        """Opens the only instrument, or the one with the user's serial number."""
        devices = {str(device): device for device in joulescope.scan(config="auto")}
        names = ", ".join(devices)
        serial = self.site.table.at
        fitting = [name for name in devices if serial is None or name.endswith(serial)]
        if not devices or (serial is not None and not fitting):
            raise NoSensor(
                f"no Joulescope {serial or ''} is connected; there are: {names or 'none'}"
            )
        if len(fitting) > 1:
            raise ConfigError(
                f"several are connected, name one: --meter joulescope:SERIAL: {names}"
            )
        device = devices[fitting[0]]
        try:
            device.open()
            self._device, self._name = device, fitting[0]
            device.parameter_set("i_range", "auto")
            device.parameter_set("v_range", "15V")
            device.parameter_set("reduction_frequency", f"{_RATE_HZ} Hz")
        except Exception as error:  # the library raises whatever USB did
            self.close()
            raise DeviceError(f"{fitting[0]} does not answer: {error}") from error

    def start(self) -> None:
        """Begins to record."""
        self._told.clear()
        self._device.statistics_callback_register(self._take, "sensor")

    def stop(self) -> PowerTrace:
        """Ends the record."""
        self._device.statistics_callback_unregister(self._take, "sensor")
        with self._guard:
            rows = np.array(self._told, dtype=np.float64).reshape(-1, 3)
        times_s = host_times_s(rows[:, 1], rows[:, 0], self._name, _DRIFT_S)
        return PowerTrace(
            time_s=times_s,
            power_w=None,
            energy_j=rows[:, 2],
            sensor=f"Joulescope {self._name}",
            tier=self.tier,
            period_s=1 / _RATE_HZ,
            update_period_s=1 / _RATE_HZ,
        )

    def close(self) -> None:
        """Closes the instrument; it goes on to pass current."""
        if self._device is not None:
            self._device.close()
            self._device = None

    def _take(self, statistics: Mapping[str, Any]) -> None:
        """One sum, at the end of its interval; called in a thread of the library."""
        row = (
            self.site.clock.now_s(),
            float(statistics["time"]["range"]["value"][1]),
            float(statistics["accumulators"]["energy"]["value"]),
        )
        with self._guard:
            self._told.append(row)
