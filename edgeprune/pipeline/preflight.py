"""What is looked at before anything slow begins: no TensorFlow, and no device."""

from __future__ import annotations

from pathlib import Path

from edgeprune.data.early import check_data
from edgeprune.data.patience import Late, within
from edgeprune.data.source import ANSWER_S
from edgeprune.errors import ModelError


def check_given(model: Path, data: str | None = None) -> None:
    """Checks that the model and the data are there, and may be what they must be.

    Args:
        model: The user's MODEL.
        data: The user's ``--data``, or None.

    Raises:
        ModelError: One is missing, or no such thing; the message says what else may be meant.
    """
    from edgeprune.load.sniff import sniff

    try:
        within(ANSWER_S, lambda: sniff(model))
    except Late as error:
        raise ModelError(f"{model}: its disk does not answer within {ANSWER_S:g} s") from error
    if data is not None:
        check_data(data)
