"""Where nothing cheaper keeps the limit, what is left keeps it, or is refused."""

import dataclasses
import types

import pytest

from edgeprune.artifacts.measurement import Accuracy
from edgeprune.devices.boards import load_board
from edgeprune.errors import VerifyError
from edgeprune.pipeline import searched
from edgeprune.pipeline.decision import Decision
from edgeprune.pipeline.file_size import check_file_size
from edgeprune.pipeline.request import Request
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe
from edgeprune.recipe.quantize_table import QuantizeTable
from edgeprune.tasks import Head, Task

LOST = {"none": 0.0, "fp16": 0.005, "int8-weights": 0.02, "int8": 0.03}
BYTES = {"none": 4000, "fp16": 2000, "int8-weights": 1000, "int8": 900}


@pytest.fixture(autouse=True)
def scored(monkeypatch):
    """What is made loses by how it is stored."""
    loss = "categorical_crossentropy"
    head = Head("out", (2,), "classification", "class numbers", "softmax", 2, loss, "top1", ())

    def compress(request, cpu, progress, read):
        assert request.max_accuracy_drop is None  # which would watch trainings
        mode = request.recipe.quantize.mode
        check_file_size(bytes(BYTES[mode]), request)
        lost = LOST[mode]
        scores = {
            "dense": Accuracy("top1", 0.9, 100),
            "deployed": Accuracy("top1", 0.9 - lost, 100),
        }
        return types.SimpleNamespace(
            recipe=request.recipe, scores=scores, task=Task((head,)), first_score="dense"
        )

    monkeypatch.setattr(searched, "compress", compress)


def left(mode, limit, board="rpi4", fixed=(), max_size=None, holders=(), allowed=()):
    """What is made where the search found nothing that keeps the limit, or ``holders``."""
    recipe = Recipe(why="nothing cheaper", fixed=fixed, quantize=QuantizeTable(mode))
    found = [Recipe(why=f"found {one}", quantize=QuantizeTable(one)) for one in holders]

    def dense(lost):
        return dataclasses.replace(recipe, why="; ".join(lost))

    decision = Decision(tuple(found), dense, None, (), allowed=allowed)
    request = Request("net", board, Recipe(), max_accuracy_drop=limit, max_size=max_size)
    cpu, limit = load_board(board).cpu, 0.01 if limit is None else limit
    return searched._first_that_holds(request, cpu, None, Progress(), decision, limit)


@pytest.mark.parametrize(
    ("limit", "mode"), [(0.02, "int8-weights"), (0.005, "fp16"), (0.0, "none"), (None, "fp16")]
)
def test_fewer_bytes_are_taken_back_as_far_as_they_lose_more(limit, mode):
    assert left("int8-weights", limit)[0].recipe.quantize.mode == mode


def test_so_they_are_where_the_search_found_something():
    made, told = left("none", 0.01, holders=("int8", "int8-weights"))
    assert (made.recipe.why, made.recipe.quantize.mode) == ("found int8-weights", "fp16")
    assert told == ["not taken: found int8: loses 3.00 points on the 100 samples that are reported"]


def test_what_was_found_and_not_taken_is_the_reason_for_the_dense_network():
    made, _ = left("none", 0.01, holders=("int8",))
    assert made.recipe.why == (
        "not taken: found int8: loses 3.00 points on the 100 samples that are reported"
    )


def test_what_keeps_the_limit_by_luck_alone_is_not_taken():
    holders = ("int8", "int8")
    made, told = left("none", 0.05, holders=holders, allowed=(0.02, 0.05))
    assert made.recipe.why == "found int8"
    assert told == [
        "not taken: found int8: loses 3.00 points on the 100 samples that are reported, too much "
        "to be sure of the limit"
    ]


def test_more_bytes_than_allowed_are_not_taken():
    with pytest.raises(VerifyError, match=r"int8-weights alone loses 2\.00 points"):
        left("int8-weights", 0.01, max_size=1500)
    assert left("int8-weights", 0.01, max_size=2500)[0].recipe.quantize.mode == "fp16"
    made, told = left("int8-weights", 0.02, max_size=1500, holders=("fp16",))
    assert made.recipe.quantize.mode == "int8-weights"
    assert told[0].startswith(
        "not taken: found fp16: its file takes 2,000 bytes, and --max-size allows 1,500"
    )


@pytest.mark.parametrize(("board", "fixed"), [("rpi4", ("quantize",)), ("mps2-an386", ())])
def test_a_storage_that_is_asked_for_or_needed_is_refused_where_it_loses_the_users_limit(
    board, fixed
):
    with pytest.raises(
        VerifyError, match=r"1% cannot be kept: int8 alone loses 3\.00 points on the 100"
    ):
        left("int8", 0.01, board, fixed)
    assert left("int8", None, board, fixed)[0].recipe.quantize.mode == "int8"
