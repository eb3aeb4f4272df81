"""A real sshd in a network namespace with an address of its own, and a second one as jump host.

    this host  --- veth, .1/.2 ---  device  (its own /root, /etc/shadow and /run)
        |                             |
        +---- veth, .5/.6 ---  jump --+ veth, .9/.10: the device's inner address

Needs root, and Debian's openssh-server, openssh-client and iproute2. Names carry the process's
number: two test sessions do not meet, and what a killed one left behind is swept by the next.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.links.ssh.host_keys import HostKey, trust_host_key

PASSWORD = "correct horse"  # of root on the device; the namespace ends with the test session
TOOLS = {"sshd": "openssh-server", "sftp": "openssh-client", "ip": "iproute2", "tc": "iproute2"}
SYSTEM_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"


def sh(*argv: str | Path, check: bool = True) -> str:
    """Runs a command of the rig's own and returns its output."""
    done = subprocess.run(
        [str(part) for part in argv],
        capture_output=True,
        text=True,
        timeout=20,
        env=os.environ | {"PATH": SYSTEM_PATH},
    )
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(map(str, argv))}: {done.stderr.strip()}")
    return done.stdout


def make_key(path: Path, kind: str = "ed25519") -> Path:
    """A fresh key pair at ``path`` and ``path``.pub."""
    path.unlink(missing_ok=True)
    sh("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "rig", "-f", path)
    return path


@dataclass
class Sshd:
    """One sshd in a network namespace.

    Attributes:
        space: The namespace's name.
        folder: Configuration and keys; a folder ``tmp`` in it is what the device sees as ``/tmp``.
        home: What the device sees as ``/root``.
        address: Where this host reaches it.
    """

    space: str
    folder: Path
    address: str
    process: subprocess.Popen[bytes] | None = None
    home: Path = field(init=False)

    def __post_init__(self) -> None:
        self.home = self.folder / "home"
        self.home.mkdir(parents=True)
        make_key(self.folder / "host_key")
        salted = sh("openssl", "passwd", "-6", PASSWORD).strip()
        lines = Path("/etc/shadow").read_text(encoding="utf-8").splitlines()
        lines = [re.sub(r"^root:[^:]*", f"root:{salted}", line) for line in lines]
        (self.folder / "shadow").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def start(self) -> None:
        """Starts sshd and waits until it answers."""
        config = self.folder / "sshd_config"
        # ClientAlive: on a cut link nothing else tells a Debian sshd for two hours. A client that
        # a busy machine starves for some seconds keeps its connection.
        config.write_text(
            f"HostKey {self.folder}/host_key\nAuthorizedKeysFile {self.folder}/authorized_keys\n"
            "PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin yes\nMaxStartups 100\n"
            "PasswordAuthentication yes\nKbdInteractiveAuthentication no\n"
            "ClientAliveInterval 1\nClientAliveCountMax 10\n"
            "Subsystem sftp /usr/lib/openssh/sftp-server\n",
            encoding="utf-8",
        )
        script = (
            "mount -t tmpfs tmpfs /run && mkdir /run/sshd && mount --bind $1/home /root && "
            "mount --bind $1/shadow /etc/shadow && "
            "if [ -d $1/tmp ]; then mount --bind $1/tmp /tmp; fi && "
            "exec /usr/sbin/sshd -D -e -f $1/sshd_config"
        )
        # The signal ends sshd even where this process is killed and cleans nothing up.
        argv = [
            "setpriv",
            "--pdeathsig",
            "TERM",
            "/usr/sbin/ip",
            "netns",
            "exec",
            self.space,
            "sh",
            "-c",
            script,
            "sh",
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*argv, str(self.folder)],
                stdin=subprocess.DEVNULL,
                stderr=log,
                env={"PATH": SYSTEM_PATH, "HOME": "/root"},
            )
        end = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection((self.address, 22), timeout=1).close()
                return
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text(encoding="utf-8"))
            time.sleep(0.02)

    def stop(self) -> None:
        """Ends sshd, its sessions and all that runs in the namespace."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None
        _end_all(self.space)

    def sessions(self) -> list[int]:
        """Process numbers of the sshd that serve one connection each."""
        assert self.process is not None
        return [int(n) for n in sh("pgrep", "-P", self.process.pid, check=False).split()]

    def kill_sessions(self) -> None:
        """Breaks every connection from the device's side, as a crash of its sshd would."""
        for number in self.sessions():
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)

    def host_key(self) -> HostKey:
        """What its sshd shows."""
        kind, text = (self.folder / "host_key.pub").read_text(encoding="utf-8").split()[:2]
        return HostKey(kind, base64.b64decode(text))

    def nsenter(self, *argv: str | Path, check: bool = True) -> str:
        """Runs a command with the device's view of the file system."""
        assert self.process is not None
        return sh("nsenter", "-m", "-n", "-t", str(self.process.pid), *argv, check=check)


@dataclass
class Rig:
    """The device, the jump host before it, and the keys that open both."""

    device: Sshd
    jump: Sshd
    inner_address: str
    link: str
    key: Path

    @property
    def octets(self) -> str:
        """First three octets of every address here."""
        return self.inner_address.rpartition(".")[0]

    def ssh(self, name: str = "pi", *, trusted: bool = True, **changes: Any) -> Any:
        """A transport to the device, not open yet, whose host key is trusted unless told."""
        from edgeprune.devices.transports.ssh import Ssh

        if trusted:
            trust_host_key(name, self.device.host_key())
        given = {
            "host": self.device.address,
            "user": "root",
            "key": str(self.key),
            "folder": "~/ep",
        }
        return Ssh(load_board("rpi4"), Device(board="rpi4", name=name, **(given | changes)))

    def marked(self, marker: str) -> list[str]:
        """Processes on the device whose arguments contain ``marker``."""
        numbers = sh("ip", "netns", "pids", self.device.space).split()
        if not numbers:
            return []
        lines = sh("ps", "-o", "args=", "-p", ",".join(numbers), check=False).splitlines()
        return [line for line in lines if marker in line]

    def gone(self, marker: str, timeout_s: float = 60.0) -> bool:
        """Whether no marked process is left on the device within ``timeout_s`` seconds."""
        end = time.monotonic() + timeout_s
        while self.marked(marker):
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def cut(self) -> None:
        """Pulls the cable between this host and the device."""
        sh("ip", "link", "set", self.link, "down")

    def mend(self) -> None:
        """Puts the cable back."""
        sh("ip", "link", "set", self.link, "up")

    def shape(self, rate: str | None) -> None:
        """Limits the link from this host to the device, as ``1gbit``; None takes the limit off."""
        sh("tc", "qdisc", "del", "dev", self.link, "root", check=False)
        if rate is not None:
            shaping = ("tbf", "rate", rate, "burst", "128k", "latency", "20ms")
            sh("tc", "qdisc", "add", "dev", self.link, "root", *shaping)


def _end_all(space: str) -> None:
    """Ends every process in a namespace."""
    for number in sh("ip", "netns", "pids", space, check=False).split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(number), signal.SIGKILL)


def _sweep() -> None:
    """Removes what rigs left behind whose process is gone; the links go with the namespaces."""
    for space in sh("ip", "netns", "list").split():
        match = re.fullmatch(r"ep(\d+)[dj]", space)
        if match and not Path("/proc", match[1]).exists():
            _end_all(space)
            sh("ip", "netns", "del", space, check=False)


def _subnet() -> str:
    """First three octets of a /24 for benchmarks (RFC 2544) that this host does not use."""
    used = sh("ip", "-br", "addr")
    for number in range(256):
        octets = f"198.18.{(os.getpid() + number) % 256}"
        if octets + "." not in used:
            return octets
    raise RuntimeError("all of 198.18.0.0/16 is in use")


def _wire(near: tuple[str | None, str, str], far: tuple[str, str, str]) -> None:
    """A veth pair between two (namespace or None for this host, interface, address/30)."""
    where = () if near[0] is None else ("-n", near[0])
    pair = ("type", "veth", "peer", "name", far[1], "netns", far[0])
    sh("ip", *where, "link", "add", near[1], *pair)
    for space, name, address in (near, far):
        inside = () if space is None else ("-n", space)
        sh("ip", *inside, "addr", "add", address, "dev", name)
        sh("ip", *inside, "link", "set", name, "up")


@contextlib.contextmanager
def rig(folder: Path) -> Iterator[Rig]:
    """Builds the rig under ``folder`` and takes it down, whatever happens."""
    path = os.environ.get("PATH", "") + ":" + SYSTEM_PATH
    missing = {package for tool, package in TOOLS.items() if shutil.which(tool, path=path) is None}
    if missing or os.geteuid() != 0:
        raise RuntimeError(f"needs root and: apt-get install {' '.join(sorted(TOOLS.values()))}")
    _sweep()
    tag, net = f"ep{os.getpid()}", _subnet()
    spaces = (f"{tag}d", f"{tag}j")
    daemons: list[Sshd] = []
    try:
        for space in spaces:
            sh("ip", "netns", "add", space)
            sh("ip", "-n", space, "link", "set", "lo", "up")
        _wire((None, f"{tag}a", f"{net}.1/30"), (spaces[0], "outer", f"{net}.2/30"))
        _wire((None, f"{tag}b", f"{net}.5/30"), (spaces[1], "outer", f"{net}.6/30"))
        _wire((spaces[1], "inner", f"{net}.9/30"), (spaces[0], "inner", f"{net}.10/30"))
        key = make_key(folder / "user_key")
        for space, name, last in ((spaces[0], "device", 2), (spaces[1], "jump", 6)):
            daemon = Sshd(space, folder / name, f"{net}.{last}")
            daemons.append(daemon)
            shutil.copy(f"{key}.pub", daemon.folder / "authorized_keys")
            daemon.start()
        yield Rig(daemons[0], daemons[1], f"{net}.10", f"{tag}a", key)
    finally:
        for daemon in daemons:
            daemon.stop()
        for space in spaces:
            sh("ip", "netns", "del", space, check=False)
        sh("ip", "link", "del", f"{tag}a", check=False)
        sh("ip", "link", "del", f"{tag}b", check=False)
