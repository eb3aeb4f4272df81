"""Devices are lost and found while a night goes on: who is asked when, and when power is cycled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from edgeprune.farm.executor import Prober, Sign

PROBE_TIMEOUT_S = 20.0
ONLINE_EVERY_S = 300.0
"""A device that answered, and waits for work. Source: ours."""
OFFLINE_EVERY_S = 30.0
MISSES_TO_CYCLE = 3
"""Source: FAI-PEP, which reconnects a phone after three misses."""
CYCLE_EVERY_S = 600.0
"""How long a device may take to start. Source: ours."""
CYCLE_TIMEOUT_S = 60.0


class Presence:
    """Asks devices that run nothing whether they are there."""

    def __init__(
        self,
        prober: Prober,
        devices: Iterable[str],
        now_s: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        """Nobody is asked yet.

        Args:
            prober: Asks.
            devices: Whom.
            now_s: A monotonic clock.
            wake: Called after each answer.
        """
        self._prober, self._now_s, self._wake = prober, now_s, wake
        self._due_s = dict.fromkeys(devices, now_s())
        self._misses = dict.fromkeys(self._due_s, 0)
        self._cycled_s: dict[str, float] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self.signs: dict[str, Sign] = {}
        self.cycled: list[tuple[str, str]] = []

    def add(self, devices: Iterable[str]) -> None:
        """More devices: those that are new are asked at once."""
        for device in devices:
            if device not in self._due_s:
                self._due_s[device], self._misses[device] = self._now_s(), 0

    def ask_soon(self, device: str) -> None:
        """A device failed: it is asked before it gets another job."""
        if device in self._due_s:
            self._due_s[device] = self._now_s()

    def ask(self, busy: Iterable[str]) -> None:
        """Asks all that are due and not busy: who measures is not to be disturbed."""
        now_s = self._now_s()
        for device in self._due_s.keys() - set(busy) - self._asking.keys():
            if self._due_s[device] <= now_s:
                self._asking[device] = asyncio.create_task(self._ask(device))

    def next_due_s(self, busy: Iterable[str]) -> float:
        """When the next one is due, on the monotonic clock; infinite where none is."""
        waiting = self._due_s.keys() - set(busy) - self._asking.keys()
        return min((self._due_s[device] for device in waiting), default=float("inf"))

    async def close(self) -> None:
        """Asks no more."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, device: str) -> None:
        try:
            sign = await self._prober.probe(device, PROBE_TIMEOUT_S)
            if sign.is_online:
                self._misses[device] = 0
            elif sign.is_miss:
                self._misses[device] += 1
            if sign.is_miss and self._is_to_be_cycled(device):
                self._cycled_s[device] = self._now_s()
                told = await self._prober.power_cycle(device, CYCLE_TIMEOUT_S)
                if told:
                    self.cycled.append((device, told))
            self.signs[device] = sign
            every_s = ONLINE_EVERY_S if sign.is_online else OFFLINE_EVERY_S
            self._due_s[device] = self._now_s() + every_s
        finally:
            del self._asking[device]
            self._wake()

    def _is_to_be_cycled(self, device: str) -> bool:
        if self._misses[device] < MISSES_TO_CYCLE:
            return False
        last_s = self._cycled_s.get(device)
        return last_s is None or self._now_s() - last_s >= CYCLE_EVERY_S
