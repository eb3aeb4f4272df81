"""Whole ``.tflite`` files, and all that edgeprune does with damaged ones."""

import contextlib
import os
import random
import tempfile
from pathlib import Path

import nets
import numpy as np
import random_nets
import sparse_hint_nets

from edgeprune import verify
from edgeprune.agents.answers import Profile, ProfileEvent
from edgeprune.agents.interface import interface_of
from edgeprune.agents.lease_folder import FOLDER_VARIABLE
from edgeprune.auto.choice import choose
from edgeprune.devices.boards import Cpu, load_board
from edgeprune.errors import EdgepruneError, ModelError
from edgeprune.files import paths
from edgeprune.load.storage import stored_as
from edgeprune.load.tflite_file import _constants
from edgeprune.measure.layers import layer_timings
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.macs import size
from edgeprune.prediction import explain, runnable
from edgeprune.prediction.cost import cost_table
from edgeprune.recipe import Recipe
from edgeprune.rewrite import apply_passes
from edgeprune.sparsify import sparsify, stored_dense
from edgeprune.verify.filters import filters_of

CPUS = (
    Cpu("cortex-a72", "aarch64", ("asimd",)),
    Cpu("cortex-a76", "aarch64", ("asimd", "asimddp", "asimdhp")),
    Cpu("host", "x86_64", ("avx", "avx2")),
)


def networks(models=None, largest_bytes=300_000):
    """Whole ``.tflite`` files: ours with every kind of storage, random ones, and real ones."""
    found = [nets.eligible(storage=kind) for kind in ("float32", "float16", "int8")]
    found += [nets.eligible(size=15), sparse_hint_nets.tiny(), nets.wrong_on_arm()]
    found += [random_nets.random_graph(random.Random(seed)) for seed in range(40)]
    found += [random_nets.all_sparse(one) for one in found[-20:]]
    for file in sorted(Path(models).glob("*.tflite")) if models else ():
        if file.stat().st_size <= largest_bytes:
            found.append(file.read_bytes())
    return found


def through_passes(tflite):
    """All that the commands ask a graph, but for running it; every step begins by reading it."""
    graph.read(tflite)
    for step in _steps(tflite):
        with contextlib.suppress(EdgepruneError):
            step()


def _steps(tflite):
    """Each reader of a graph on its own, so that none hides behind another's refusal."""
    yield lambda: [np.isfinite(values).all() for _, values in _constants(graph.read(tflite))]
    yield lambda: explain(tflite, CPUS[2])
    yield lambda: explain(tflite, CPUS[0], assume_hint=True)
    for function in (stored_as, size, graph.weight_sparsity, filters_of, stored_dense):
        yield lambda function=function: function(tflite)
    yield lambda: verify.gains_of(tflite) if hasattr(verify, "gains_of") else None
    yield lambda: sparsify(tflite, CPUS[0])
    yield lambda: graph.write(graph.read(tflite))
    yield lambda: choose(Recipe(), CPUS[1], tflite, has_data=False)
    yield lambda: _rewritten(tflite)
    yield lambda: interface_of(tflite)
    for board in ("local", "rpi4", "rpi3-32"):
        yield lambda board=board: _unsupported(tflite, board)
    yield lambda: _verified(tflite, host_is_right=len(tflite) % 3 > 0)
    yield lambda: layer_timings(_profile(), tflite, emulated=False)


def _rewritten(tflite):
    """Every pass, whether or not it pays."""
    model = graph.read(tflite)
    subgraph = model.subgraphs[0]
    known = all(graph.has_known_ranks(subgraph, op) for op in subgraph.operators)
    if graph.computes_on_integers(model) or not known:
        return
    table = cost_table(CPUS[0])
    apply_passes(model, CPUS[0], table)
    graph.read(graph.write(model))


def _unsupported(tflite, board):
    """What a board cannot run, as far as the file tells; the runtime itself is asked in a child."""
    model = graph.read(tflite)
    refusals = list(runnable._by_structure(model, load_board(board).runtime))
    return [refusal.text for refusal in refusals]


def _verified(tflite, host_is_right):
    """What ``run`` does with a board's outputs, and the search for the layer that is wrong."""

    def outputs(file, value):
        model = graph.read(file)
        tensors = [model.subgraphs[0].tensors[index] for index in graph.io_tensors(model)[1]]
        return [[_filled(tensor, value) for tensor in tensors] for _ in samples]

    samples = verify.sample_inputs(tflite, None, 2)
    expected, found = outputs(tflite, 0), outputs(tflite, 1)
    comparison = verify.Comparison("deployed", tflite, tflite, samples, expected)
    comparison.weakness(), verify.is_flat(tflite, expected)
    if not comparison.parity(found).passed:
        inside = 0 if host_is_right else 1
        verify.locate(
            comparison,
            found,
            lambda file, inputs: outputs(file, 1),
            lambda file, inputs, xnnpack: outputs(file, inside),
        )


def _filled(tensor, value):
    """An output as a board that computes one number alone would send it."""
    shape = [max(size, 1) for size in graph.shape_of(tensor)]
    dtype = graph.dtype_of(tensor)
    if dtype is None or np.prod(shape, dtype=float) > 1e6:
        raise ModelError("an output that no board is asked for here")
    return np.full(shape, value, dtype)


def _profile():
    tags = ("Convolution (NHWC, F32) IGEMM", "Fully Connected (NC, F32) GEMM", "MEAN")
    events = tuple(ProfileEvent(tag, 8, 5) for tag in tags)
    return Profile(tags, (events, events))


def through_compress(tflite, dice):
    """The command itself, with one recipe or another."""
    mode = dice.choice(("none", "fp16", "int8-weights", "int8"))
    argv = ["compress", "m.tflite", "-o", "out.tflite", "--no-verify", "--quantize", mode]
    if dice.random() < 0.3:
        argv = ["explain", "m.tflite", "--board", dice.choice(("rpi4", "rpi5"))]
    _command(tflite, argv, (0, 1, 2))


def through_run(tflite, dice):
    """``run`` or ``deploy`` on this machine, whose agent a damaged file may well end."""
    timing = ["--sessions", "1", "--runs", "2", "-o", "out"]
    argv = [dice.choice(("run", "run", "deploy")), "m.tflite", "--board", "local", *timing]
    _command(tflite, argv, (0, 1, 2, 3))


def _command(tflite, argv, codes):
    """A command on a file, in a folder of its own."""
    from edgeprune import cli

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("m.tflite").write_bytes(tflite)
        os.environ[FOLDER_VARIABLE] = folder  # many commands at once wait for no device
        try:
            cli.main(argv)
        except SystemExit as done:
            if done.code == 70:
                crash = max(Path(paths.data_folder(), "crashes").glob("*.txt"))
                raise RuntimeError(crash.read_text()[-1500:]) from None
            assert done.code in codes, done.code
        finally:
            del os.environ[FOLDER_VARIABLE]
