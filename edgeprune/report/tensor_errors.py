"""``tensor-errors.json``: what quantization changed in each weight tensor of the deployed file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgeprune.artifacts.tensor_error import TensorError
from edgeprune.errors import ConfigError
from edgeprune.files.read_file import read_json
from edgeprune.files.whole_file import shown, write_whole

FILE_NAME = "tensor-errors.json"


def write_tensor_errors(errors: Sequence[TensorError], path: Path) -> None:
    """Writes them, unless nothing was changed.

    Raises:
        ConfigError: The file cannot be written.
    """
    if any(error.mse for error in errors):
        tensors = [dataclasses.asdict(error) for error in errors]
        write_whole(path, json.dumps({"tensors": tensors}, indent=1) + "\n", replace=True)


def read_tensor_errors(path: Path) -> tuple[TensorError, ...]:
    """Reads them; none where there is no such file.

    Raises:
        ConfigError: It is damaged.
    """
    if not path.exists():
        return ()
    try:
        return msgspec.convert(read_json(path), _File).tensors
    except msgspec.ValidationError as error:
        raise ConfigError(f"{shown(path)}: is no table of tensor errors: {error}") from error


class _File(msgspec.Struct, forbid_unknown_fields=True):
    tensors: tuple[TensorError, ...]
