"""Lottery tickets in LeNet-300-100 on MNIST: winning tickets beside random re-initialisation.

After each round 20 % of the weights that are left go (10 % of the output layer's), and the others
return to where they started: the winning ticket. The same masks with newly drawn weights are the
comparison. Adam at 1.2e-3 and batches of 60, as in the paper; fewer steps (``--epochs``).
Writes a table and a picture of both curves, with the standard deviation over the seeds.

Source: Frankle and Carbin 2019, "The Lottery Ticket Hypothesis", section 2.

    python benchmarks/lottery_ticket.py FOLDER [--epochs 4] [--seeds 3] [--rounds 15]
"""

import argparse
import itertools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeprune.models.keras.flavours import import_tensorflow
from edgeprune.pruning.highest import keep_highest

os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")  # one step is too small to be shared
MNIST = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist.npz"
SIZES = (784, 300, 100, 10)
BATCH = 60
LEARNING_RATE = 1.2e-3
RATES = (0.2, 0.2, 0.1)
"""Share of what is left of each layer that a round takes. Source: the paper's figure 2."""

HELD_OUT = 5000
"""Of the training images, for nothing: the paper keeps as many aside. Source: its section 2."""

Arrays = list[NDArray[Any]]
Train = Callable[[Arrays, Arrays, int], tuple[Arrays, float]]


def trainer(epochs: int, mnist: Path) -> Train:
    """A function of weights, masks and a seed that gives trained weights and test accuracy."""
    tf = import_tensorflow()
    packed = np.load(mnist)
    flat = {
        part: packed[f"x_{part}"].reshape(-1, SIZES[0]).astype(np.float32) / 255
        for part in ("train", "test")
    }
    x, y = flat["train"][HELD_OUT:], packed["y_train"][HELD_OUT:].astype(np.int32)
    x_all, y_all = tf.constant(x), tf.constant(y)
    steps = len(x) // BATCH

    def forward(inputs: Any, weights: Any) -> Any:
        for k in range(3):
            inputs = inputs @ weights[2 * k] + weights[2 * k + 1]
            inputs = tf.nn.relu(inputs) if k < 2 else inputs
        return inputs

    def step(weights: Any, first: Any, second: Any, masks: Any, chosen: Any, t: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(weights)
            logits = forward(tf.gather(x_all, chosen), weights)
            labels = tf.gather(y_all, chosen)
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            )
        out: Any = ([], [], [])
        rate = LEARNING_RATE * tf.sqrt(1 - 0.999**t) / (1 - 0.9**t)  # Adam's, bias corrected
        for k, gradient in enumerate(tape.gradient(loss, weights)):
            masked = gradient * masks[k // 2] if k % 2 == 0 else gradient
            m = 0.9 * first[k] + 0.1 * masked
            v = 0.999 * second[k] + 0.001 * tf.square(masked)
            out[0].append(weights[k] - rate * m / (tf.sqrt(v) + 1e-7))
            out[1].append(m)
            out[2].append(v)
        return out

    @tf.function(jit_compile=True)  # a pass over the data in one call: a step alone is too short
    def epoch(now: Any, first: Any, second: Any, masks: Any, order: Any, done: Any) -> Any:
        def body(k: Any, now: Any, first: Any, second: Any) -> Any:
            t = tf.cast(done + k + 1, tf.float32)
            return (k + 1, *step(now, first, second, masks, order[k], t))

        state = (tf.constant(0), now, first, second)
        return tf.while_loop(lambda k, *_: k < steps, body, state, maximum_iterations=steps)[1:]

    def train(weights: Arrays, masks: Arrays, seed: int) -> tuple[Arrays, float]:
        rng = np.random.default_rng(seed)
        kept = [tf.constant(mask.astype(np.float32)) for mask in masks]
        start = [w * masks[k // 2] if k % 2 == 0 else w for k, w in enumerate(weights)]
        now = [tf.constant(w.astype(np.float32)) for w in start]
        first, second = [tf.zeros_like(w) for w in now], [tf.zeros_like(w) for w in now]
        for k in range(epochs):
            order = rng.permutation(len(x))[: steps * BATCH].reshape(steps, BATCH)
            done = tf.constant(k * steps)
            now, first, second = epoch(now, first, second, kept, tf.constant(order), done)
        right = forward(tf.constant(flat["test"]), now).numpy().argmax(1) == packed["y_test"]
        return [w.numpy() for w in now], float(right.mean())

    return train


def drawn(rng: np.random.Generator) -> Arrays:
    """Glorot normal weights, zero biases: the paper's."""
    weights: Arrays = []
    for i, o in itertools.pairwise(SIZES):
        weights += [rng.normal(0, np.sqrt(2 / (i + o)), (i, o)).astype(np.float32)]
        weights += [np.zeros(o, np.float32)]
    return weights


def rounds_of(seed: int, rounds: int, train: Train, also_random: set[int]) -> list[dict[str, Any]]:
    """One row a round: share of weights left, and both accuracies."""
    rng = np.random.default_rng(seed)
    start = drawn(rng)
    masks = [np.ones(w.shape, np.bool_) for w in start[::2]]
    rows = []
    for k in range(rounds + 1):
        trained, ticket = train(start, masks, 1000 * seed + k)
        row = {
            "seed": seed,
            "round": k,
            "left": float(np.mean(np.concatenate([m.ravel() for m in masks]))),
        }
        row["ticket"] = ticket
        row["random"] = train(drawn(rng), masks, 1000 * seed + k)[1] if k in also_random else None
        rows.append(row)
        print(json.dumps(row), flush=True)
        for n, rate in enumerate(RATES):
            share = 1 - masks[n].mean() * (1 - rate)
            masks[n] = keep_highest(np.abs(trained[2 * n] * masks[n]), float(share))
    return rows


def table(rows: list[dict[str, Any]]) -> list[tuple[float, Any, Any]]:
    """Per round: share left in percent; mean, deviation and count of both accuracies."""
    found = []
    for k in sorted({row["round"] for row in rows}):
        here = [row for row in rows if row["round"] == k]
        both: list[Any] = []
        for key in ("ticket", "random"):
            values = [100 * row[key] for row in here if row[key] is not None]
            spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
            both.append((float(np.mean(values)), spread, len(values)) if values else None)
        found.append((100 * float(np.mean([row["left"] for row in here])), both[0], both[1]))
    return found


def draw(lines: list[tuple[float, Any, Any]], path: Path, epochs: int) -> None:
    """Both curves with error bars, the share of weights falling to the right."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    figure, axes = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    for column, label, style in (
        (1, "winning ticket", "o-"),
        (2, "random re-initialisation", "s--"),
    ):
        points = [(line[0], *line[column][:2]) for line in lines if line[column]]
        left, mean, spread = zip(*points, strict=True)
        axes.errorbar(left, mean, spread, fmt=style, capsize=3, markersize=4, label=label)
    axes.axhline(lines[0][1][0], color="grey", linewidth=0.8, label="dense")
    axes.set_xscale("log")
    axes.invert_xaxis()
    axes.set_xticks([100, 51, 26, 13, 6.9, 3.6])
    axes.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.set_xlabel("weights left, %")
    axes.set_ylabel("test accuracy, %")
    seeds = lines[0][1][2]
    axes.set_title(f"LeNet-300-100, MNIST, {epochs} epochs a round; mean and s.d. of {seeds} seeds")
    axes.legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    """Trains, prints the table and draws the picture."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--every", type=int, default=3, help="random in every so many rounds")
    parser.add_argument("--mnist", type=Path, default=MNIST)
    options = parser.parse_args()
    if not options.mnist.is_file():
        sys.exit("MNIST is not at hand: nothing measured")
    options.folder.mkdir(parents=True, exist_ok=True)
    train = trainer(options.epochs, options.mnist)
    also_random = set(range(options.every, options.rounds + 1, options.every))
    rows: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        rows += rounds_of(seed, options.rounds, train, also_random)
        (options.folder / "lottery_ticket.json").write_text(json.dumps(rows))
        draw(table(rows), options.folder / "lottery_ticket.png", options.epochs)
    print("weights left | winning ticket, % | random re-initialisation, %")
    for left, *both in table(rows):
        cells = [f"{v[0]:.2f} +- {v[1]:.2f}" if v else "-" for v in both]
        print(f"{left:11.1f}% | {cells[0]:17} | {cells[1]}")


if __name__ == "__main__":
    main()
