"""The front of a search in half the time beside that of random search in the whole time.

    python benchmarks/random_search.py FOLDER [--nets keyword windows mobilenet] [--budget 10m]
        [--board rpi4-emulated] [--seeds 0]

Both train by the same laboratory, with as many epochs a training, and judge in the same ways.
Random search draws a share of the multiply-accumulates between 0.1 and 1, and in half of the cases
a share of zeros between 0.3 and 0.95 where zeros bring the board anything; each network is trained
from the user's, channels first. ``area`` is the hypervolume of loss (up to 3 points, on the samples
that choose) and saving (logarithm of how many times fewer predicted instructions). Time is the
processor's, so that neither is cut short by what else the machine does. Each begins with
an empty store of trainings. Networks are those of ``searched.py``; what is done is kept in FOLDER.
"""

import argparse
import dataclasses
import json
import os
import time
from pathlib import Path

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import numpy as np
from searched import prepared

from edgeprune.auto.candidates import Candidate, Judged, hypervolume, losses_around
from edgeprune.auto.engine import Clock, Notebook, Search
from edgeprune.auto.for_core import for_core
from edgeprune.auto.goal import Goal
from edgeprune.auto.moves import Move, Node
from edgeprune.devices.boards import load_board, resolved_cpu
from edgeprune.errors import EdgepruneError
from edgeprune.pipeline.choosing import kept_apart
from edgeprune.pipeline.ground import Ground, Prepared
from edgeprune.pipeline.read import read_model
from edgeprune.pipeline.request import Request
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe
from edgeprune.text.duration import parse_duration
from edgeprune.training.context import StageContext

GOAL = Goal(0.01, losses=losses_around(0.01))
WORST = 0.03


def ground_of(model: Path, data: Path, board: str, budget_s: float, seed: int) -> Ground:
    """What both searches stand on."""
    table = dataclasses.replace(Recipe().prune, seed=seed)
    request = Request(model, board, dataclasses.replace(Recipe(), prune=table), data=str(data))
    with Progress(brief=True) as progress:
        read = read_model(request, progress)
    if read.data is None:
        raise SystemExit(f"{data} holds nothing")
    cpu = resolved_cpu(load_board(board).cpu)
    recipe = for_core(request.recipe, cpu)
    context = StageContext(read.data, lambda line: None, seed, cpu, None, read.loaded)
    choosing = kept_apart(read.data)[0]
    ready = Prepared(read.loaded, read.dense, choosing, {board: cpu})
    return Ground(request, recipe, ready, context, budget_s)


def drawn(ground: Ground, board: str, clock: Clock, seed: int) -> Judged:
    """Random search."""
    draw, options = np.random.default_rng(seed), ground.options
    judged = Judged(GOAL, ground.dense_costs)
    core = options.cores[board]
    modes = options.modes[board]
    judged.candidates.extend(ground.lab.judge(Node(), mode) for mode in modes)
    while clock.left_s > 0:
        node = Node().after(Move("channels", round(float(draw.uniform(0.1, 1)), 3), options.epochs))
        nodes = [node]
        if core in options.patterns and draw.random() < 0.5:
            zeros, pattern = round(float(draw.uniform(0.3, 0.95)), 3), options.patterns[core][0]
            nodes.append(node.after(Move("prune", zeros, options.epochs, core, pattern)))
        try:
            for one in nodes:
                ground.lab.train(one)
            if clock.left_s > 0:
                judged.candidates.extend(ground.lab.judge(nodes[-1], mode) for mode in modes)
        except EdgepruneError as error:
            print(f"not made: {error}", flush=True)
    return judged


def area(judged: Judged, board: str) -> float:
    """Hypervolume of what was judged, in points of loss times a logarithm."""

    def saving(one: Candidate) -> float:
        return judged.saving(one, board) or 0.0

    return 100 * hypervolume([(one.lost, saving(one)) for one in judged.candidates], loss=WORST)


def row(folder: Path, net: str, board: str, budget_s: float, seed: int) -> dict[str, float]:
    """Both searches of one network."""
    file = folder / f"{net}-{board}-{seed}-{budget_s:.0f}.json"
    if not file.exists():
        model, data, _ = prepared(folder, net)
        found: dict[str, float] = {}
        for name, share in (("search", 0.5), ("random", 1.0)):
            os.environ["EDGEPRUNE_HOME"] = str(folder / f"home-{net}-{seed}-{name}")
            own_s = share * budget_s
            # Both train as long each time as a search in half the time does.
            ground = ground_of(model, data, board, 0.5 * budget_s, seed)
            clock = Clock(own_s, time.process_time, time.process_time())
            if name == "search":
                notebook = Notebook(lambda one: None)
                args = (ground.lab, GOAL, ground.options, ground.dense_costs, clock, notebook)
                judged = Search(*args).run().judged
            else:
                judged = drawn(ground, board, clock, seed)
            found[name] = area(judged, board)
            found[f"{name} networks"] = len({one.node for one in judged.candidates})
            print(f"{net}, {name} in {own_s:.0f} s: {found}", flush=True)
        file.write_text(json.dumps(found))
    return json.loads(file.read_text())


def main() -> None:
    """Runs what is not done, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nets", nargs="+", default=("keyword", "windows", "mobilenet"))
    parser.add_argument("--board", default="rpi4-emulated")
    parser.add_argument("--budget", default="10m")
    parser.add_argument("--seeds", nargs="+", type=int, default=(0,))
    given = parser.parse_args()
    folder, budget_s = given.folder.resolve(), parse_duration(given.budget)
    folder.mkdir(parents=True, exist_ok=True)
    print(
        "| network | seed | area, search in half | area, random in the whole | ratio | networks |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for net in given.nets:
        for seed in given.seeds:
            one = row(folder, net, given.board, budget_s, seed)
            counts = f"{one['search networks']:.0f}, {one['random networks']:.0f}"
            print(
                f"| {net} | {seed} | {one['search']:.2f} | {one['random']:.2f} | "
                f"{one['search'] / one['random']:.2f} | {counts} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
