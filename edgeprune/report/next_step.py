"""What to do next, by what a result shows: one line, with the command where there is one."""

from __future__ import annotations

from edgeprune.devices.boards import board_names
from edgeprune.history.result import Result, known
from edgeprune.report.assessment import NOTICEABLE_DROP, accuracy_change
from edgeprune.tasks import AGREEMENT

_WITH_ADVICE = ("throttled", "contaminated", "noisy")
"""Verdicts whose reasons end with what to do."""


def next_step(result: Result, folder: str) -> str:
    """The most useful next thing, the gravest first.

    Args:
        result: A valid result.
        folder: Where it is, as the user would write it.
    """
    dense, deployed = result.variant("dense"), result.deployed
    validity, verdict = result.validity.verdict, result.comparison.verdict
    if validity == "invalid":
        return f"edgeprune report {folder} --layers names the kernels of the wrong model"
    if validity in _WITH_ADVICE:
        return result.validity.reasons[0].rpartition(": ")[2]
    if validity != "valid" and not result.is_emulated:
        return "measure longer, with --effort standard"
    if deployed.profiling_only:
        return _how_to_train(result)
    change = accuracy_change(dense.accuracy if dense else None, deployed.accuracy)
    if change is not None and change.drop >= NOTICEABLE_DROP:
        score = deployed.accuracy
        what = "agreement" if score is not None and score.metric == AGREEMENT else "accuracy"
        return f"to keep more {what}: --max-accuracy-drop 1%, less --sparsity, or more epochs"
    run, expected = deployed.sparse_layers_run, deployed.sparse_layers_expected
    if run is not None and run < expected:
        return f"edgeprune report {folder} --layers shows which layers did not run sparse"
    if dense is not None and verdict in ("no difference shown", "slower"):
        return (
            f"edgeprune explain {result.model.path} --board {result.board} says what "
            "would make it faster"
        )
    is_microcontroller = known(deployed.flash_bytes) is not None
    if result.is_emulated:
        board = result.board.removesuffix("-emulated")
        is_estimated = known(deployed.estimated) is not None
        remark = "times are estimated" if is_estimated else "instructions are no times"
        if is_microcontroller or board not in board_names():
            return f"{remark}: `edgeprune boards` names boards that can be timed"
        return f"{remark}: --board {board} --host ADDRESS measures them"
    return f"edgeprune report {folder} --layers shows the kernel that ran each layer"


def _how_to_train(result: Result) -> str:
    """What makes a file fit for use that was pruned without training."""
    if result.deployed.accuracy is None:
        return "give --data with labels: the model is trained then, and its accuracy measured"
    if result.model.format == "tflite":
        return "hand in the Keras model, which can be trained: a .tflite file cannot"
    return "set epochs in [prune] of the recipe: the model is trained then"
