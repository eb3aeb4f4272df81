"""Every error that edgeprune raises on purpose, and the exit code of each.

* EdgepruneError                                                            exit code
  - ConfigError          a recipe, board, bench file or option is wrong          2
    . UnknownPart        a name in a file matches no registered part             2
  - ModelError           model or data cannot be treated as asked                2
    . CodeRefused        the file carries code, and --allow-code was not given   2
  - DeviceError          the device or the way to it did not do as told          3
    . DeviceTimeout      nothing came back in time                               3
    . HostKeyError       the device's host key is unknown or has changed         3
    . DiskFull           the device has no room for what is pushed               3
    . NoSensor           the device has no such power sensor, or hides it        3
    . AgentRefusal       our agent on the device answered that it cannot         3
    . BadFrame           what came over the wire is no frame that was asked for  3
  - VerifyError          an answer came back, and it is wrong                    1
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class EdgepruneError(Exception):
    """Base of every error above: caught at the command line, nowhere else.

    Attributes:
        exit_code: What the command exits with.
    """

    exit_code = 2


class ConfigError(EdgepruneError):
    """A file or an option written by a person is wrong; the message names file and key."""


class UnknownPart(ConfigError):
    """A name matches no registered part; the message lists the names that exist."""


class ModelError(EdgepruneError):
    """The model or the data cannot be treated as asked."""


class CodeRefused(ModelError):
    """The model file carries code, which would run on loading."""


class DeviceError(EdgepruneError):
    """The device, or the way to it, did not do as it was told."""

    exit_code = 3


class DeviceTimeout(DeviceError):
    """The device sent nothing within the timeout."""


class HostKeyError(DeviceError):
    """The device's host key is unknown or differs from the one that was trusted."""


class DiskFull(DeviceError):
    """The device's file system has no room for the file."""


class NoSensor(DeviceError):
    """The device has no such power sensor, or does not let us read it."""


class AgentRefusal(DeviceError):
    """The agent on the device answered that it cannot do what it was asked.

    Attributes:
        words: Its reason, as it sent it.
    """

    def __init__(self, message: str, words: str) -> None:
        super().__init__(message)
        self.words = words


class BadFrame(DeviceError):
    """What came over the wire is no frame, a damaged one, or one that is too long."""


class VerifyError(EdgepruneError):
    """The device answered, and the answer differs from the reference."""

    exit_code = 1


@contextlib.contextmanager
def from_extra(extra: str, who: str = "this") -> Iterator[None]:
    """Imports in the block come with an optional part of the package.

    Args:
        extra: Its name, as ``keras``.
        who: What needs it, for the message.

    Raises:
        ConfigError: One is not installed; the message has the command that installs it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        line = f"{who} needs {error.name}: pip install 'edgeprune[{extra}]'"
        raise ConfigError(line) from error
