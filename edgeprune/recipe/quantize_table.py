"""The recipe's table ``[quantize]``."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.recipe.faults import not_a_share, not_among, not_positive, too_small
from edgeprune.recipe.training import Training
from edgeprune.text.share import Share

MODES = ("none", "fp16", "int8", "int8-weights", "int16x8")


@dataclass(frozen=True)
class QuantizeTable:
    """Table ``[quantize]``.

    Attributes:
        mode: One of :data:`MODES`.
        calibration_samples: Samples that int8 ranges are taken from.
        qat_epochs: Passes over the training data with weights, and for ``int8`` activations,
            rounded as they will be stored; 0 trains nothing.
        qat_batch_size: Samples in a training step of these.
        qat_learning_rate: Adam's, at the start of these.
        qat_distillation: As in the table ``[prune]``, for these.
        qat_temperature: Likewise.
    """

    mode: str = "none"
    calibration_samples: int = 128
    qat_epochs: int = 0
    qat_batch_size: int = 64
    qat_learning_rate: float = 1e-4
    qat_distillation: Share = 0.0
    qat_temperature: float = 4.0

    def training(self, seed: int) -> Training:
        """How its epochs are trained."""
        return Training(
            self.qat_epochs,
            self.qat_batch_size,
            self.qat_learning_rate,
            self.qat_distillation,
            self.qat_temperature,
            seed,
        )


def quantize_faults(table: QuantizeTable) -> list[str]:
    """What is wrong with the table's values."""
    wrong = not_among(table, {"mode": MODES})
    wrong += too_small(table, {"calibration_samples": 1, "qat_epochs": 0, "qat_batch_size": 1})
    if table.qat_epochs > 0 and not table.mode.startswith("int"):
        wrong.append(f"qat_epochs needs a mode with integer weights, got {table.mode!r}")
    wrong += not_positive(table, "qat_learning_rate", "qat_temperature")
    return wrong + not_a_share(table, "qat_distillation")
