"""What a core does for a network, as bytes that are kept: each block of code once."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import Any

from edgeprune.artifacts.core_work import CoreWork, Misses


@dataclass(frozen=True)
class KernelWork:
    """What one kernel of a profiled inference does.

    Attributes:
        tag: The kernel's name.
        work: What it does; None where that was not counted.
    """

    tag: str
    work: CoreWork | None


@dataclass(frozen=True)
class NetworkWork:
    """What a core does for one network.

    Attributes:
        inference: For one inference that nobody profiles.
        kernels: For each kernel of one that is profiled, in the order of execution.
    """

    inference: CoreWork
    kernels: tuple[KernelWork, ...]


def written(work: NetworkWork) -> bytes:
    """The work as bytes, which :func:`read` takes."""
    works = [work.inference, *(one.work for one in work.kernels if one.work is not None)]
    codes = list(dict.fromkeys(code for one in works for code in one.blocks))
    numbers = {code: number for number, code in enumerate(codes)}
    document = {
        "codes": [code.hex() for code in codes],
        "inference": _plain(work.inference, numbers),
        "kernels": [
            [one.tag, None if one.work is None else _plain(one.work, numbers)]
            for one in work.kernels
        ],
    }
    return zlib.compress(json.dumps(document).encode())


def read(content: bytes) -> NetworkWork:
    """What :func:`written` made bytes of.

    Raises:
        ValueError: They are damaged; other errors of a decoder likewise.
    """
    try:
        document = json.loads(zlib.decompress(content))
    except zlib.error as error:
        raise ValueError("damaged") from error
    codes = [bytes.fromhex(code) for code in document["codes"]]
    return NetworkWork(
        _work(document["inference"], codes),
        tuple(
            KernelWork(tag, None if work is None else _work(work, codes))
            for tag, work in document["kernels"]
        ),
    )


def _plain(work: CoreWork, numbers: dict[bytes, int]) -> dict[str, Any]:
    return {
        "instructions": work.instructions,
        "accesses": work.accesses,
        "blocks": [[numbers[code], times] for code, times in work.blocks.items()],
        "misses": [[one.streamed, one.other] for one in work.misses],
    }


def _work(plain: dict[str, Any], codes: list[bytes]) -> CoreWork:
    return CoreWork(
        plain["instructions"],
        plain["accesses"],
        {codes[number]: times for number, times in plain["blocks"]},
        tuple(Misses(*one) for one in plain["misses"]),
    )
