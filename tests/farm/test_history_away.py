"""A history that goes away is waited for, which is told once, and not for ever."""

import asyncio

import pytest

from edgeprune.errors import ConfigError
from edgeprune.farm import scheduler


class Away:
    """A clock and a history: ``call`` fails until a moment on that clock."""

    def __init__(self, until_s, monkeypatch):
        self.until_s, self.time_s, self.told = until_s, 0.0, []

        async def sleep(seconds):
            self.time_s += seconds

        monkeypatch.setattr(scheduler.asyncio, "sleep", sleep)
        settings = scheduler.Settings(1, None, lambda: self.time_s, self.call)
        self.scheduler = scheduler.Scheduler(None, None, lambda wake: None, settings, self)

    async def call(self, function):
        if self.time_s < self.until_s:
            raise ConfigError("postgresql://lab/farm: the history cannot be used: gone")
        return function()

    def trouble(self, line):
        self.told.append(line)

    def ask(self):
        return asyncio.run(self.scheduler._call(lambda: "answer"))


def test_its_going_and_its_coming_are_told_once(monkeypatch):
    away = Away(600.0, monkeypatch)
    assert away.ask() == "answer" and away.time_s < 700
    assert away.told == [
        "postgresql://lab/farm: the history cannot be used: gone; it is tried again for 60 min",
        "the history is back, and the night goes on",
    ]


def test_one_that_stays_away_ends_the_night(monkeypatch):
    away = Away(10_000.0, monkeypatch)
    with pytest.raises(ConfigError, match="the history cannot be used: gone"):
        away.ask()
    assert 3600 <= away.time_s < 3700 and len(away.told) == 1


def test_one_that_is_there_is_not_spoken_of(monkeypatch):
    away = Away(0.0, monkeypatch)
    assert away.ask() == "answer" and away.told == []
