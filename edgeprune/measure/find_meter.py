"""The meter that measures a run's energy: the one that is named, or the first that is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from edgeprune.devices.bench import EnergyPlan
from edgeprune.devices.host_clock import HOST_CLOCK, HostClock
from edgeprune.devices.transports.base import CommandTransport
from edgeprune.errors import ConfigError, DeviceError
from edgeprune.meters.base import METERS, Meter, Row, Sampler, Site


def check_meter_name(named: str | None) -> None:
    """Checks the word of ``--meter`` before any device is looked for.

    Args:
        named: A meter's name, ``NAME:WHICH``, a CSV log, ``none``, or None.

    Raises:
        ConfigError: There is no such meter.
    """
    if named is not None and named != "none" and not named.endswith(".csv"):
        METERS.get(named.partition(":")[0])


def check_meters(plan: EnergyPlan, transport: CommandTransport | None) -> None:
    """Looks for a meter that the user named, before anything takes long.

    One on the device is looked for later, once an agent is there to read it. ``transport`` is None
    for a device without files.

    Raises:
        ConfigError: There is no such meter, or its table is wrong.
        DeviceError: It does not answer.
    """
    for table in plan.meters if plan.is_named else ():
        kind = METERS.get(table.use)
        site = Site(transport, NoSampler(), table)
        if not kind.on_device:
            with kind(site):
                pass
        elif transport is None:
            _ = site.commands  # says that there are no files to read


class NoSampler(Sampler):
    """For meters on the host, which read nothing on the device."""

    def start(self, files: Sequence[str], command: str, period_s: float) -> None:
        """Refuses."""
        raise DeviceError("a meter on the host reads no files on the device")

    def stop(self) -> list[Row]:
        """Refuses."""
        raise DeviceError("a meter on the host reads no files on the device")


@contextmanager
def first_meter(
    plan: EnergyPlan,
    transport: CommandTransport | None,
    sampler: Sampler,
    clock: HostClock = HOST_CLOCK,
) -> Iterator[Meter]:
    """The first meter of the plan that is there, open.

    Raises:
        ConfigError: The only one's table is wrong.
        DeviceError: None is there; the message says why of each.
    """
    reasons = []
    for table in plan.meters:
        meter = METERS.get(table.use)(Site(transport, sampler, table, clock))
        try:
            meter.open()
        except (ConfigError, DeviceError) as error:
            reasons.append(f"{table.use}: {error}")
            continue
        try:
            yield meter
        finally:
            meter.close()
        return
    raise DeviceError("; ".join(reasons))
