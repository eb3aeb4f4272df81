"""A slow link that loses packets, made of two TUN devices and this process between them.

The kernel's own netem is a module that small kernels lack; TUN is nearly everywhere. The IP packets
are real, and so are the TCP stacks at both ends, with their retransmissions.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import os
import random
import select
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from ssh_rig import sh

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h


@dataclass
class Lossy:
    """What passed the link so far."""

    address: str
    carried: int = 0
    dropped: int = 0


def _tun(name: str) -> int:
    handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(handle, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return handle


@contextlib.contextmanager
def lossy_link(space: str, octets: str, delay_s: float, loss: float) -> Iterator[Lossy]:
    """Joins this host and the namespace ``space`` at ``octets``.13 and ``octets``.14.

    Args:
        space: The network namespace.
        octets: First three octets of the addresses.
        delay_s: One-way delay towards the namespace; the way back has none.
        loss: Share of packets lost, each way.
    """
    near, far = f"ept{os.getpid()}", "lossy"
    handles = {_tun(near): 0, _tun(f"epf{os.getpid()}"): 1}
    ends = list(handles)
    state, stop = Lossy(f"{octets}.14"), threading.Event()
    thread = threading.Thread(target=_relay, args=(ends, delay_s, loss, state, stop))
    try:
        sh("ip", "link", "set", f"epf{os.getpid()}", "netns", space, "name", far)
        for where, name, last in (((), near, 13), (("-n", space), far, 14)):
            sh("ip", *where, "addr", "add", f"{octets}.{last}/30", "dev", name)
            sh("ip", *where, "link", "set", name, "up")
        thread.start()
        yield state
    finally:
        stop.set()
        if thread.ident is not None:
            thread.join(5)
        for handle in ends:
            os.close(handle)


def _relay(
    ends: list[int], delay_s: float, loss: float, state: Lossy, stop: threading.Event
) -> None:
    dice = random.Random(7)
    waiting: list[tuple[float, int, int, bytes]] = []
    while not stop.is_set():
        pause_s = min(0.1, max(0.0, waiting[0][0] - time.monotonic())) if waiting else 0.1
        for handle in select.select(ends, [], [], pause_s)[0]:
            with contextlib.suppress(BlockingIOError):
                packet = os.read(handle, 65536)
                if dice.random() < loss:
                    state.dropped += 1
                    continue
                state.carried += 1
                towards = ends[1] if handle == ends[0] else ends[0]
                due_s = time.monotonic() + (delay_s if towards == ends[1] else 0.0)
                heapq.heappush(waiting, (due_s, state.carried, towards, packet))
        while waiting and waiting[0][0] <= time.monotonic():
            with contextlib.suppress(OSError):  # a full queue or a link that is down loses it
                os.write(waiting[0][2], waiting[0][3])
            heapq.heappop(waiting)
