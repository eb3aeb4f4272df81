"""The agent in Python: what the board's own Python is, and the runtime's wheel for it."""

from __future__ import annotations

import contextlib
import email
import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from edgeprune.agents import pinned
from edgeprune.agents.decode import Answer
from edgeprune.agents.pinned import sha256_of
from edgeprune.agents.runtime import RuntimeLibrary, say_mended
from edgeprune.devices.toolchain.wheels import download_wheel
from edgeprune.devices.transports.base import CommandTransport
from edgeprune.errors import DeviceError
from edgeprune.files import paths
from edgeprune.text.untrusted import device_says, one_line

PACKAGE = "tflite-runtime"

_METADATA_BYTES = 1 << 20
"""Of a wheel's METADATA, which names what it needs. Source: ours; real ones take 20 kB."""

_UNFIT = "!=2.12.0"
"""Built with another compiler: it wants a C++ library that is newer than glibc 2.31's systems have.

Source: its own undefined symbols, GLIBCXX_3.4.29, in the wheels for armv7l.
"""

_OLDEST_PYTHON = (3, 7)  # what device_agents/python/edgeprune_agent is written for
_NEWEST_PYTHON = (3, 11)  # the last that tflite-runtime has a wheel for
_OLDEST_GLIBC = 17  # 2.17: below it no manylinux tag names a version. Source: PEP 600
_FIRST_FOREIGN_NUMPY = Version("2")  # tflite-runtime 2.14.0 with numpy 2 ends in a SystemError
_BITS = {"armv7l": 32}
_MACHINES = {"armv7l": ("armv7l", "armv8l", "aarch64")}  # a 64-bit kernel may be below
_NOT_FOUND = (126, 127)
_TIMEOUT_S = 60.0

_QUESTION = (
    "import json, os, struct, sys\n"
    "try:\n"
    "    import numpy\n"
    "    numpy = numpy.__version__\n"
    "except ImportError:\n"
    "    numpy = ''\n"
    "print(json.dumps({'version': sys.version_info[:2], 'numpy': numpy,\n"
    "    'glibc': os.confstr('CS_GNU_LIBC_VERSION') or '',\n"
    "    'bits': 8 * struct.calcsize('P'), 'machine': os.uname().machine}))\n"
)


@dataclass(frozen=True)
class BoardPython:
    """The Python on a board.

    Attributes:
        version: Major and minor.
        glibc: The minor version of glibc 2.
        numpy: Version of its numpy.
    """

    version: tuple[int, int]
    glibc: int
    numpy: str


def ask_python(transport: CommandTransport) -> BoardPython:
    """Asks a board for its Python.

    Args:
        transport: Open; its board's agent is the one in Python.

    Raises:
        DeviceError: It has no Python, one that is too old or for another machine, or no numpy; the
            message says what to do.
    """
    where = transport.where
    python = transport.board.agent.target
    # No device is sent a newline, so the program goes as one expression.
    answer = transport.run([python, "-c", f"exec({_QUESTION!r})"], _TIMEOUT_S)
    if answer.code in _NOT_FOUND:
        raise DeviceError(
            f"{where} has no {python}, which the agent runs on: sudo apt install python3 "
            "python3-numpy"
        )
    try:
        said = json.loads(answer.stdout.splitlines()[-1])
        return _checked(said, transport.board.cpu.isa, where)
    except (ValueError, IndexError, TypeError, RecursionError) as error:
        words = device_says(answer.stderr or answer.stdout)
        raise DeviceError(f"{where}: {python} does not tell its version; {words}") from error


def _checked(said: dict[str, Any], isa: str, where: str) -> BoardPython:
    asked = Answer(f"{where}: its Python", said)
    version = asked.integers("version", (2, 2), 0, 1000)
    bits, machine = asked.integer("bits", 8, 128), one_line(asked.text("machine"), 30)
    libc, _, glibc = asked.text("glibc", 30).partition(" ")
    numpy = asked.text("numpy", 30)
    name = f"Python {version[0]}.{version[1]}"
    if bits != _BITS[isa] or machine not in _MACHINES[isa]:
        raise DeviceError(
            f"{where} runs a {bits}-bit Python on {machine}, expected one for "
            f"{isa}: name the --board that it is"
        )
    if version < _OLDEST_PYTHON or version > _NEWEST_PYTHON:
        raise DeviceError(
            f"{where} has {name}, and {PACKAGE} has wheels for Python 3.7 to 3.11 only: use an "
            "image that has one of them"
        )
    if libc != "glibc" or not re.fullmatch(r"2\.[0-9]{1,3}", glibc):
        raise DeviceError(f"{where} has no glibc 2, which {PACKAGE} needs: use another image")
    if not numpy:
        raise DeviceError(f"{where} has no numpy for its {name}: sudo apt install python3-numpy")
    if Version(numpy) >= _FIRST_FOREIGN_NUMPY:
        raise DeviceError(
            f"{where} has numpy {numpy}, and {PACKAGE} is built for numpy 1: put the "
            "system's own in its place: pip uninstall numpy; sudo apt install python3-numpy"
        )
    return BoardPython((version[0], version[1]), int(glibc.split(".")[1]), str(Version(numpy)))


def wheel(isa: str, newest: str, python: BoardPython, sha256: str | None = None) -> RuntimeLibrary:
    """The newest wheel of ``tflite-runtime`` that a board's Python takes: cached, or fetched.

    Args:
        isa: ``armv7l``.
        newest: Version that it may be at most.
        python: The board's.
        sha256: Digest that the board file names, of a wheel that edgeprune does not know.

    Raises:
        DeviceError: There is none, it cannot be fetched, or it is another one than was published;
            nothing half-written is left.
    """
    version = "{}.{}".format(*python.version)
    key = f"{isa}-{PACKAGE}-{newest}-python{version}-glibc2.{python.glibc}-numpy{python.numpy}"
    folder = paths.cache_folder() / "runtimes" / key
    file = next((one for one in sorted(folder.glob("*.whl")) if _is_kept(one, sha256)), None)
    if file is None:
        with paths.aside(folder) as aside:
            fetched = _fetch(isa, newest, python, aside)
            pinned.check(fetched, pinned.board_wheel_sha256(fetched.name, sha256), fetched.name)
            file = folder / fetched.name
            paths.put_whole(fetched, file)
    return RuntimeLibrary(file, _version_of(file), sha256_of(file), PACKAGE)


def _is_kept(wheel: Path, sha256: str | None) -> bool:
    """Whether a wheel of the cache is one that was published; another one is told of."""
    wanted = ""
    with contextlib.suppress(DeviceError):  # of a name that no published one has
        wanted = pinned.board_wheel_sha256(wheel.name, sha256)
    if pinned.is_whole(wheel, wanted):
        return True
    say_mended(f"{wheel} was damaged: it is fetched again")
    return False


def _fetch(isa: str, newest: str, python: BoardPython, aside: Path) -> Path:
    """The newest wheel for Python and glibc, or an older one that the board's numpy suffices for.

    The board's own numpy stays: no other one has a wheel for 32-bit Arm.
    """
    version = "{}.{}".format(*python.version)
    minors = range(python.glibc, _OLDEST_GLIBC - 1, -1)
    platforms = [*(f"manylinux_2_{minor}_{isa}" for minor in minors), f"manylinux2014_{isa}"]
    where = (
        f"{PACKAGE}, at most {newest}, for Python {version}, glibc 2.{python.glibc} and numpy "
        f"{python.numpy} on {isa} cannot be fetched"
    )
    bound = f"<={newest}"
    while True:
        file = download_wheel(f"{PACKAGE}{bound},{_UNFIT}", platforms, version, aside, where)
        if _numpy_of(file).contains(python.numpy):
            return file
        bound = f"<{_version_of(file)}"
        file.unlink()


def _version_of(wheel: Path) -> str:
    return wheel.name.split("-")[1]


def _numpy_of(wheel: Path) -> SpecifierSet:
    """Versions of numpy that a wheel asks for.

    Raises:
        DeviceError: It is no wheel.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
            with archive.open(name) as stream:
                metadata = email.message_from_bytes(stream.read(_METADATA_BYTES))
        needs = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    except pinned.NO_WHEEL as error:
        why = one_line(error, 100)
        raise DeviceError(f"{wheel.name} was fetched and is no wheel: {why}") from error
    return next((need.specifier for need in needs if need.name == "numpy"), SpecifierSet())
