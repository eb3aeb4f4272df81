"""``--max-size`` where a board is given a file: what the file may take."""

from __future__ import annotations

from edgeprune.errors import VerifyError
from edgeprune.pipeline.request import Request


class TooLarge(VerifyError):
    """The file takes more than ``--max-size`` allows."""


def file_excess(file_bytes: float, max_size: int | None) -> str:
    """Why a file is too large, with the sizes; empty if it is not, or if nothing limits it.

    >>> file_excess(12_000, 10_000)
    'its file takes 12,000 bytes, and --max-size allows 10,000'
    >>> file_excess(12_000, None)
    ''
    """
    if max_size is None or file_bytes <= max_size:
        return ""
    return f"its file takes {file_bytes:,.0f} bytes, and --max-size allows {max_size:,}"


def check_file_size(tflite: bytes, request: Request) -> None:
    """Refuses a file that is larger than the user allows.

    Raises:
        TooLarge: It is.
    """
    wrong = file_excess(len(tflite), request.max_size if request.must_fit else None)
    if wrong:
        searched = "" if request.data else "name --data, so that a smaller network is searched, "
        raise TooLarge(
            f"{wrong}: {searched}store weights in fewer bytes (--quantize) or allow more"
        )
