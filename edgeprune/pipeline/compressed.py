"""What the host half hands to the device half."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgeprune import verify
from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.clustered import ClusterRecord
from edgeprune.artifacts.fragile_layer import FragileLayer
from edgeprune.artifacts.measurement import Accuracy
from edgeprune.artifacts.model import LoadRecord
from edgeprune.artifacts.pruned import PruneRecord
from edgeprune.artifacts.stored import Quantized, Rewritten, Sparsified
from edgeprune.errors import ModelError
from edgeprune.recipe import Recipe
from edgeprune.tasks import Head, Task, worst_drop

if TYPE_CHECKING:
    from edgeprune.history import result as stored


@dataclass(frozen=True)
class Compressed:
    """The host half's work: bytes and figures, for it leaves the process that held the model.

    Attributes:
        recipe: The recipe in force.
        loaded: Where the user's model came from.
        dense: It, as float TFLite.
        control: The dense model trained as long as the pruned one, as float TFLite, or None.
        pruned: After the stages channels and prune.
        compressed_float: The pruned model as float TFLite, before it is rewritten.
        clustered: After the cluster stage.
        rewritten: After the rewrite stage.
        quantized: After the quantize stage.
        quantized_dense: The same with every weight stored dense: the reference for parity.
        sparsified: After the sparsify stage.
        dense_int8: The dense model in int8, for a board that runs nothing else; None elsewhere, and
            where nothing but the storage of the weights was changed.
        fits_dense: Whether ``dense_int8`` fits into the board.
        runs_float: Whether the board can run ``dense`` where that is float.
        is_trainable: Whether there was a Keras model, and data to train it on.
        task: What the model is for; None without data.
        samples: Samples to train with, and to score with.
        test_inputs: The first test samples, shape ``(n, *input_shape)``, as many as parity wants;
            None without data.
        scores: Accuracy of ``dense``, ``deployed`` and, where they are there, ``dense-fine-tuned``
            and ``float32`` on the test samples; empty where there is nothing to score. Where there
            is ``dense_int8``, ``dense`` is that, and ``float32`` the user's model.
        tensor_errors: What quantization changed in each weight tensor.
        fragile_layers: Layers that lose most on integers, where these cost more than they may.
        precision_remedy: Line of the table ``[quantize]`` that keeps these layers in float; empty
            where none is needed, or none helps.
        others: What may be made in its place where a device runs it slower than the dense network,
            best first; the last one leaves the network as it is. Empty where nothing was searched.
        told: What a search told of itself; also in ``notes``.
        notes: What the checks between the stages found.
    """

    recipe: Recipe
    loaded: LoadRecord
    dense: bytes
    control: bytes | None
    pruned: PruneRecord
    clustered: ClusterRecord
    compressed_float: bytes
    rewritten: Rewritten
    quantized: Quantized
    quantized_dense: bytes
    sparsified: Sparsified
    dense_int8: bytes | None = None
    fits_dense: bool = True
    runs_float: bool = True
    is_trainable: bool = False
    task: Task | None = None
    samples: tuple[int, int] = (0, 0)
    test_inputs: Array | None = None
    scores: Mapping[str, Accuracy] = field(default_factory=dict)
    tensor_errors: tuple[verify.TensorError, ...] = ()
    fragile_layers: tuple[FragileLayer, ...] = ()
    precision_remedy: str = ""
    others: tuple[Recipe, ...] = ()
    told: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def first_score(self) -> str:
        """Key of ``scores`` for the user's model as it came."""
        return "float32" if "float32" in self.scores else "dense"

    @property
    def task_entry(self) -> stored.Task | None:
        """The task as ``result.json`` keeps it, or None."""
        from edgeprune.report.result import stored_task

        return None if self.task is None else stored_task(self.task, *self.samples)

    @property
    def profiling_only(self) -> bool:
        """Whether the deployed file is fit to be measured but not to be used."""
        return self.pruned.profiling_only or self.quantized.profiling_only


def lost_most(compressed: Compressed) -> tuple[Head, float]:
    """The output whose score on the test samples suffered most, and by how much.

    Raises:
        ModelError: There is no score.
    """
    if compressed.task is None or "deployed" not in compressed.scores:
        raise ModelError("--max-accuracy-drop: the data gives nothing to score the model with")
    names = (compressed.first_score, "deployed")
    scores = [compressed.scores[name].by_head(compressed.task) for name in names]
    return worst_drop(compressed.task, scores[0], scores[1])
