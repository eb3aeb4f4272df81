"""How Dask is set here, whatever the user's own files say, and who may connect."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable

from edgeprune.errors import from_extra
from edgeprune.farm.dask.address import Address
from edgeprune.text.untrusted import one_line

with from_extra("dask", "a farm on several hosts"):
    import dask
    import distributed

HELLO = "edgeprune"
"""Under this key a worker says who it is when it comes."""

CLOSE_S = 5.0

CONNECTION_TIMEOUT_S = 30
"""A peer that acknowledges nothing for so long is gone. Source: ours; half of a lease."""

_SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.worker-ttl": f"{2 * CONNECTION_TIMEOUT_S}s",
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.http.routes": [],
    "distributed.scheduler.preload": [],
    "distributed.worker.preload": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,  # it looks around a hundred times a second
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.limit": "1h",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.comm.timeouts.connect": "20s",
    "distributed.comm.timeouts.tcp": f"{CONNECTION_TIMEOUT_S}s",
    "distributed.comm.retry.count": 0,
    "distributed.comm.tls.ciphers": None,
}
"""Whatever the user's own files say: a job must never be run again by Dask, nor be disturbed."""


def quieten(take: Callable[[str], None]) -> None:
    """Keeps Dask's log off the terminal, but for connections that TLS refused.

    Args:
        take: Takes a line about each of those.
    """
    for name in ("distributed", "distributed.client", "distributed.gc", "tornado"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = False
        logger.setLevel(logging.CRITICAL)
    logging.getLogger("tornado.application").setLevel(logging.CRITICAL)
    comm = logging.getLogger("distributed.comm.tcp")
    comm.handlers = [_Refused(take)]
    comm.propagate = False
    comm.setLevel(logging.WARNING)
    dask.config.set(_SETTINGS)


class _Refused(logging.Handler):
    """Tells of failed handshakes, each peer once a minute."""

    def __init__(self, take: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._take = take
        self._told_s: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if "TLS handshake failed" not in str(record.msg) or len(record.args or ()) != 3:
            return
        _, peer, why = record.args  # type: ignore[misc]
        host = str(peer).rpartition(":")[0]
        now_s = time.monotonic()
        if now_s - self._told_s.get(host, -60.0) >= 60.0:
            self._told_s = {one: at for one, at in self._told_s.items() if now_s - at < 60.0}
            self._told_s[host] = now_s
            self._take(f"a connection from {host.partition('://')[2]} was refused: {one_line(why)}")


def security_of(address: Address) -> distributed.Security:
    """How all connections of an address are made: mutual TLS 1.3, or none on this machine."""
    files = address.certificates
    if files is None:
        return distributed.Security(require_encryption=False)
    roles = ("scheduler", "worker", "client")
    pairs = {f"tls_{role}_cert": str(files.certificate) for role in roles}
    pairs |= {f"tls_{role}_key": str(files.key) for role in roles}
    return distributed.Security(
        require_encryption=True,
        tls_ca_file=str(files.authority),
        tls_min_version=ssl.TLSVersion.TLSv1_3,
        **pairs,
    )
