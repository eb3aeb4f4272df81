"""Writes a core's table of predicted costs, ``edgeprune/prediction/cost/costs/CORE.toml``.

Counts the instructions of some 2,500 kernel calls in small layers on the emulated core, each
exactly, and solves for the instructions of each kernel's loops (non-negative least squares of
relative errors). SciPy comes with the extra ``example``.

    python benchmarks/calibrate_costs.py CORE
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from cost_copies import CLUSTERS, cluster, copies
from cost_integers import CORES, of_integers
from cost_layers import dense_layers, elementwise, reductions
from cost_nets import Net
from cost_overheads import of_builtins, of_inference
from node_instructions import node_instructions
from scipy.optimize import nnls

from edgeprune.prediction import cost
from edgeprune.prediction.cost.kernel_calls import Place, kernel_calls
from edgeprune.prediction.cost.microkernels import Call
from edgeprune.prediction.cost.terms import TERMS
from edgeprune.prediction.xnnpack.reader import Reader

ROW_TILES = {"cortex-a72": (1, 4), "cortex-a76": (1, 4, 6)}
"""Rows for which a core has a GEMM kernel.

Source: XNNPACK ``src/configs/gemm-config.c``, ``init_f32_gemm_config_impl``.
"""

RUNTIME = "2.3.0"
LAYERS = 60  # layers of one net: the runtime's profile does not take many more

Counts = dict[str, list[tuple[tuple[object, ...], float]]]


def nets() -> Iterator[Net]:
    """All nets."""
    for family in (dense_layers, elementwise, reductions, copies):
        rng = np.random.default_rng(0)
        net = Net(0)
        for add in family(rng):
            net.end(add(net))
            if len(net.graph.operators) >= LAYERS:
                yield net
                net = Net(len(net.graph.operators))
        if net.graph.operators:
            yield net
    for seed, (height, width) in enumerate(CLUSTERS):
        net = Net(seed)
        for _ in range(4):
            net.end(cluster(net, height, width))
        net.hint_sparse()
        yield net


def calls_of(net: Net, core: str) -> list[Call]:
    """Kernels that a net should run."""
    reader = Reader(net.model, net.graph)
    found: list[Call] = []
    for op in net.graph.operators:
        output = int(op.outputs[0])
        if reader.is_static(output):
            continue
        place = Place(reader, ROW_TILES[core], output in net.clustered)
        found += kernel_calls(place, op) or []
    return found


def count(core: str) -> Counts:
    """Instructions of every kernel call, by kernel."""
    counts: Counts = defaultdict(list)
    for net in nets():
        file = net.file()
        calls, nodes = calls_of(net, core), node_instructions(file, core)
        if len(calls) != len(nodes):
            raise SystemExit(f"{len(calls)} kernels expected, ran {[tag for tag, _ in nodes]}")
        for call, (_, instructions) in zip(calls, nodes, strict=True):
            counts[call.kernel].append((call.arguments, instructions))
    return counts


def fit(kernel: str, counts: list[tuple[tuple[object, ...], float]]) -> dict[str, float]:
    """Instructions of each loop of a kernel; prints how far the worst of its layers is off."""
    terms = [TERMS[kernel.split(".")[0]](*arguments) for arguments, _ in counts]
    loops = list(terms[0])
    measured = np.array([instructions for _, instructions in counts])
    runs = np.array([[term[loop] for loop in loops] for term in terms], float)
    bodies, _ = nnls(runs / measured[:, None], np.ones(len(measured)), maxiter=10_000)
    errors = runs @ bodies / measured - 1
    worst = int(np.argmax(np.abs(errors)))
    print(f"{kernel:28}{len(counts):5} layers, worst {errors[worst]:+.1%} {counts[worst]}")
    return {loop: round(float(body), 2) for loop, body in zip(loops, bodies, strict=True)}


def write(core: str, kernels: dict[str, dict[str, float]], inference: float, border: float) -> Path:
    """Writes the table."""
    lines = [
        "# Instructions of each kernel's loops; made by benchmarks/calibrate_costs.py.",
        f'core      = "{core}"',
        f'runtime   = "{RUNTIME}"',
        f'command   = "python benchmarks/calibrate_costs.py {core}"',
        f"row_tiles = {list(ROW_TILES[core])}",
        f"inference = {inference}",
        f"border    = {border}",
    ]
    for kernel, bodies in sorted(kernels.items()):
        lines += ["", f'[kernels."{kernel}"]', *(f"{loop} = {n}" for loop, n in bodies.items())]
    path = Path(cost.__file__).parent / "costs" / f"{core}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def main() -> None:
    """Counts, fits and writes."""
    core = sys.argv[1]
    inference, border = of_inference(core)
    counts = count(core) | of_builtins(core, border)
    if core in CORES:
        counts |= of_integers(core, inference, border)
    kernels = {kernel: fit(kernel, found) for kernel, found in sorted(counts.items())}
    print(write(core, kernels, inference, border))


if __name__ == "__main__":
    main()
