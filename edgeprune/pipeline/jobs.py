"""What the pipeline has done in a child process: everything that puts a model into a framework.

Each job is a function of one request, which crosses to the child, as its answer crosses back: see
:mod:`edgeprune.sandbox`.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

from edgeprune import verify
from edgeprune.artifacts.arrays import Samples
from edgeprune.artifacts.stored import Sparsified
from edgeprune.devices.boards import MICROCONTROLLER, Cpu, board_files, load_board
from edgeprune.load.sniff import Kind, sniff
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.conv_plan import own_layers
from edgeprune.pipeline.accuracy_limit import compress_within_limit
from edgeprune.pipeline.compressed import Compressed
from edgeprune.pipeline.preflight import check_brings_kernels
from edgeprune.pipeline.request import Request
from edgeprune.pipeline.runnable import check_runnable
from edgeprune.progress import Progress
from edgeprune.sandbox.parent import ANSWER_BYTES, Reach, confined
from edgeprune.sandbox.readable import linked, stored_apart

_FILES_IN_ANSWER = 64
"""Largest answer, in sizes of the model: it holds eight files of it, and weights may have been
stored in 2 bytes each, or packed, before."""

_READ_S = 1800.0
"""How long a model may take to be loaded and converted where nothing else is done with it."""

_HOST_S = 6 * 3600.0
"""How long the host may take for the outputs of a model, a slow one of 2 GB included."""


@dataclass(frozen=True)
class CompressJob:
    """The whole host half, for all recipes that are tried.

    Attributes:
        request: What the user asked for.
        cpu: The board's cores.
    """

    request: Request
    cpu: Cpu

    @property
    def runs_users_code(self) -> bool:
        """Whether the data are a function of the user's."""
        data = self.request.data or ""
        return bool(re.fullmatch(r"[\w.]+:\w+", data)) and not Path(data).exists()

    @property
    def runs_models_code(self) -> bool:
        """Whether the model may bring code of its own."""
        return self.request.allow_code


def compress_model(request: CompressJob, progress: Progress) -> Compressed:
    """From the user's file to a ``.tflite`` file, within the limit of accuracy."""
    compressed = compress_within_limit(request.request, request.cpu, progress)
    # Files between the stages are nobody's business out there, and may be large.
    return dataclasses.replace(
        compressed,
        rewritten=dataclasses.replace(compressed.rewritten, tflite=b""),
        quantized=dataclasses.replace(compressed.quantized, tflite=b""),
    )


@dataclass(frozen=True)
class ReadJob:
    """A model to read.

    Attributes:
        path: The model.
        allow_code: Load files that carry code.
        input_shape: As in :class:`Request`.
        board: Board whose runtime must be able to run it, or None.
    """

    path: Path
    allow_code: bool
    input_shape: tuple[int, ...] | None
    board: str | None

    @property
    def runs_models_code(self) -> bool:
        """Whether the model may bring code of its own."""
        return self.allow_code


@dataclass(frozen=True)
class ReadFile:
    """A model as TFLite.

    Attributes:
        tflite: A ``.tflite`` file as it is, but for layers in edgeprune's own kernels, which stand
            in operators of the runtime's; another model converted.
        own: Names of the outputs of such layers.
    """

    tflite: bytes
    own: tuple[str, ...]


def read_as_tflite(request: ReadJob, progress: Progress) -> ReadFile:
    """A model as TFLite."""
    from edgeprune.convert import convert
    from edgeprune.load import load

    loaded = load(request.path, allow_code=request.allow_code)
    tflite = convert(dataclasses.replace(loaded, input_shape=request.input_shape))
    if request.board is not None:
        board = load_board(request.board)
        check_runnable(tflite, board)
    own = {} if loaded.with_own is None else own_layers(graph.view(loaded.with_own))
    return ReadFile(tflite, tuple(name for name, _ in own.values()))


@dataclass(frozen=True)
class HostJob:
    """Inferences in the host's LiteRT.

    Attributes:
        tflite: The model.
        samples: Inputs.
        xnnpack: Whether the board runs XNNPACK.
        with_rounding: Whether to find out as well how far right kernels differ.
    """

    tflite: bytes
    samples: Samples
    xnnpack: bool
    with_rounding: bool


@dataclass(frozen=True)
class HostOutputs:
    """What came of it.

    Attributes:
        outputs: As :func:`edgeprune.verify.reference_outputs` gives them.
        rounding: As :func:`edgeprune.verify.rounding_of` does, or empty.
    """

    outputs: Samples
    rounding: list[float]


def run_on_host(request: HostJob, progress: Progress) -> HostOutputs:
    """Outputs of the host's trusted kernels; TensorFlow is not needed for that."""
    tflite, samples, xnnpack = graph.opened(request.tflite), request.samples, request.xnnpack
    outputs = verify.reference_outputs(tflite, samples, xnnpack=xnnpack)
    rounding = verify.rounding_of(tflite, samples, xnnpack=xnnpack) if request.with_rounding else []
    return HostOutputs(outputs, rounding)


@dataclass(frozen=True)
class ExactJob:
    """Inferences in LiteRT's reference kernels on the host.

    Attributes:
        tflite: The model.
        samples: Inputs.
    """

    tflite: bytes
    samples: Samples


def run_exactly(request: ExactJob, progress: Progress) -> HostOutputs:
    """Outputs that firmware must reproduce bit for bit."""
    tflite = graph.opened(request.tflite)
    return HostOutputs(verify.exact_outputs(tflite, request.samples), [])


def compress_in_child(request: Request, cpu: Cpu, progress: Progress) -> Compressed:
    """:func:`compress_model`, in a child that may also write the store of trainings.

    Raises:
        EdgepruneError: As :func:`compress_within_limit`.
        ModelError: The child crashed, hung, or ran out of memory.
    """
    job = CompressJob(request, cpu)
    return opened_files(
        confined(
            compress_model,
            job,
            progress,
            reach=Reach(store_folders(request), given_files(job)),
            answer_bytes=answer_bytes_of(request.model),
        )
    )


def opened_files(compressed: Compressed) -> Compressed:
    """The same with its files checked, each once, before anybody looks into one.

    Raises:
        ModelError: The child handed out what is no TFLite file.
    """
    return dataclasses.replace(
        compressed,
        dense=graph.opened(compressed.dense),
        control=None if compressed.control is None else graph.opened(compressed.control),
        dense_int8=None if compressed.dense_int8 is None else graph.opened(compressed.dense_int8),
        compressed_float=graph.opened(compressed.compressed_float),
        quantized_dense=graph.opened(compressed.quantized_dense),
        sparsified=_opened_sparsified(compressed.sparsified),
    )


def _opened_sparsified(sparsified: Sparsified) -> Sparsified:
    own = sparsified.own
    if own is not None:
        own = dataclasses.replace(own, tflite=graph.opened(own.tflite))
    return dataclasses.replace(sparsified, tflite=graph.opened(sparsified.tflite), own=own)


def given_files(job: CompressJob) -> tuple[Path, ...] | None:
    """What the user handed in; None where code of the user's choice runs, which may read all."""
    request = job.request
    if job.runs_users_code or request.allow_code:
        return None
    files = (request.model, *stored_apart(request.model), *board_files(request.board))
    if request.data is None:
        return files
    data = Path(request.data)
    links = linked(data)
    return None if links is None else (*files, data, *links)


def store_folders(request: Request) -> tuple[Path, ...]:
    """The folder of the store of trainings, where something may be trained."""
    from edgeprune.training.store import store_folder

    if request.data is None or sniff(request.model) in (Kind.TFLITE, Kind.EPZ):
        return ()
    folder = store_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # then a training that is interrupted begins anew
        return ()
    return (folder,)


def read_in_child(
    path: Path,
    allow_code: bool,
    input_shape: tuple[int, ...] | None,
    board: str | None = None,
) -> ReadFile:
    """:func:`read_as_tflite`, in a child.

    Raises:
        ModelError: It cannot be loaded or converted, or the board cannot run it; or the child
            crashed, hung, or ran out of memory.
    """
    job = ReadJob(path, allow_code, input_shape, board)
    given = (path, *stored_apart(path), *board_files(board or ""))
    reach = Reach(readable=None if allow_code else given)
    limit = answer_bytes_of(path)
    read = confined(read_as_tflite, job, reach=reach, answer_bytes=limit, timeout_s=_READ_S)
    return ReadFile(graph.opened(read.tflite), read.own)


def check_file(request: Request) -> None:
    """Refuses a ``.tflite`` file that the board cannot run, before anybody asks the board.

    Other models are converted first, which takes time: :func:`compress_model` checks them, before
    it trains.

    Raises:
        ModelError: The model is damaged, or the board's runtime cannot run it, or nothing there
            brings the kernels that it asks for.
    """
    if sniff(request.model) in (Kind.TFLITE, Kind.EPZ):
        read = read_in_child(request.model, request.allow_code, request.input_shape, request.board)
        board, table = load_board(request.board), request.recipe.sparsify
        if read.own and table.kernels == "runtime" and board.kind != MICROCONTROLLER:
            check_brings_kernels(board)


def host_outputs(tflite: bytes, samples: Samples, xnnpack: bool) -> Samples:
    """:func:`edgeprune.verify.reference_outputs`, in a child.

    Raises:
        ModelError: The host cannot run the model.
    """
    return _host(HostJob(tflite, samples, xnnpack, with_rounding=False)).outputs


def host_outputs_with_rounding(tflite: bytes, samples: Samples, xnnpack: bool) -> HostOutputs:
    """The same with :func:`edgeprune.verify.rounding_of`.

    Raises:
        ModelError: The host cannot run the model.
    """
    return _host(HostJob(tflite, samples, xnnpack, with_rounding=True))


def exact_outputs(tflite: bytes, samples: Samples) -> Samples:
    """:func:`edgeprune.verify.exact_outputs`, in a child.

    Raises:
        ModelError: The host cannot run the model.
    """
    job = ExactJob(tflite, samples)
    limit = _outputs_bytes(tflite, samples)
    return confined(run_exactly, job, answer_bytes=limit, timeout_s=_HOST_S).outputs


def _host(job: HostJob) -> HostOutputs:
    limit = _outputs_bytes(job.tflite, job.samples)
    return confined(run_on_host, job, answer_bytes=limit, timeout_s=_HOST_S)


def _outputs_bytes(tflite: bytes, samples: Samples) -> int:
    """Most that outputs may hold."""
    return ANSWER_BYTES + _FILES_IN_ANSWER * len(tflite) * max(1, len(samples))


def answer_bytes_of(model: Path) -> int:
    """Most that an answer about a model may hold."""
    try:
        files = [model] if model.is_file() else [p for p in model.rglob("*") if p.is_file()]
        size = sum(file.stat().st_size for file in files)
    except OSError:  # the child says what is wrong with it
        size = 0
    return ANSWER_BYTES + _FILES_IN_ANSWER * size
