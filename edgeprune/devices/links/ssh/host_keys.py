"""Host keys that a person trusted, each under the device's name, in the user's data folder.

Under the name and not the address: a lab's addresses move from board to board, and a key that
follows the address would be shown as changed, or worse, trusted for another board.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from edgeprune.errors import ConfigError, HostKeyError
from edgeprune.files import paths
from edgeprune.files.read_file import read_json
from edgeprune.files.whole_file import Reserved

_WAIT_S = 10.0


@dataclass(frozen=True)
class HostKey:
    """The public half of the key by which a host proves who it is.

    Attributes:
        type: SSH's word for the kind: ``ssh-ed25519``.
        blob: The key as it goes over the wire.
    """

    type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """``SHA256:`` and 43 characters of base64, as OpenSSH prints it.

        Source: RFC 4648 section 3.2 (no padding); ssh-keygen(1), option -l.

        >>> HostKey("ssh-ed25519", b"").fingerprint
        'SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU'
        """
        digest = hashlib.sha256(self.blob).digest()
        return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")


def known_keys_file() -> Path:
    """Where trusted keys are kept."""
    return paths.data_folder() / "known_hosts.json"


def trusted_key(name: str) -> HostKey | None:
    """The key that was trusted under ``name``; None if there is none.

    Raises:
        ConfigError: The file of trusted keys cannot be read.
    """
    return _read(known_keys_file()).get(name)


def check_host_key(name: str, address: str, key: HostKey, trust_name: str) -> None:
    """Passes only for the key that was trusted under ``name``.

    Args:
        name: What the key is kept under.
        address: Where the host answered, for the message.
        key: What the host showed.
        trust_name: What a person gives to ``edgeprune devices trust``: the device, even where
            the host in question is a jump host before it.

    Raises:
        HostKeyError: No key is known, or the host showed another one.
    """
    known = trusted_key(name)
    if known == key:
        return
    shown = f"{key.type} {key.fingerprint}"
    if known is None:
        raise HostKeyError(
            f"{name} ({address}): its host key {shown} is not known yet; compare it on the "
            f"device, then: edgeprune devices trust {trust_name}"
        )
    raise HostKeyError(
        f"{name} ({address}): its host key has CHANGED from {known.type} {known.fingerprint} "
        f"to {shown}: another machine answers, or the device was set up anew; only if you know "
        f"why: edgeprune devices trust {trust_name} --replace"
    )


def trust_host_key(name: str, key: HostKey) -> None:
    """Keeps ``key`` under ``name``, in place of any other.

    Raises:
        ConfigError: The file of trusted keys cannot be read or written.
    """
    file = known_keys_file()
    _read(file)  # what is wrong with it is told by its own error
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with Reserved(file, replace=True, wait_s=_WAIT_S) as reserved:
            keys = _read(file) | {name: key}  # with what others trusted meanwhile
            reserved.write(_text(keys))
    except (OSError, ConfigError) as error:
        raise ConfigError(f"{file}: cannot keep the host key of {name}: {error}") from error


def _text(keys: dict[str, HostKey]) -> str:
    table = {
        each: {"type": keys[each].type, "key": base64.b64encode(keys[each].blob).decode("ascii")}
        for each in sorted(keys)
    }
    return json.dumps(table, indent=2) + "\n"


def _read(file: Path) -> dict[str, HostKey]:
    if not file.exists():
        return {}
    try:
        raw = read_json(file)
        return {
            name: HostKey(str(entry["type"]), base64.b64decode(entry["key"], validate=True))
            for name, entry in raw.items()
        }
    except (ConfigError, ValueError, KeyError, TypeError, AttributeError) as error:
        # Never an empty answer here: a torn file would make every changed key look like a new one.
        raise ConfigError(
            f"{file}: cannot be read as trusted host keys ({error}); mend it or remove it, and "
            "trust each device again"
        ) from error
