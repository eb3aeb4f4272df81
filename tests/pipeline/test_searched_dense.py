"""Where nothing cheaper keeps the limit, what is left keeps it, or is refused."""

import types

import pytest

from edgeprune.artifacts.measurement import Accuracy
from edgeprune.devices.boards import load_board
from edgeprune.errors import VerifyError
from edgeprune.pipeline import searched
from edgeprune.pipeline.request import Request
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe
from edgeprune.recipe.quantize_table import QuantizeTable
from edgeprune.tasks import Head, Task

LOST = {"none": 0.0, "int8-weights": 0.02, "int8": 0.03}


@pytest.fixture(autouse=True)
def scored(monkeypatch):
    """What is made loses by how it is stored."""
    loss = "categorical_crossentropy"
    head = Head("out", (2,), "classification", "class numbers", "softmax", 2, loss, "top1", ())

    def compress(request, cpu, progress, read):
        assert request.max_accuracy_drop is None  # which would watch trainings
        lost = LOST[request.recipe.quantize.mode]
        scores = {
            "dense": Accuracy("top1", 0.9, 100),
            "deployed": Accuracy("top1", 0.9 - lost, 100),
        }
        return types.SimpleNamespace(
            recipe=request.recipe, scores=scores, task=Task((head,)), first_score="dense"
        )

    monkeypatch.setattr(searched, "compress", compress)


def left(mode, limit, board="rpi4", fixed=()):
    recipe = Recipe(why="nothing cheaper", fixed=fixed, quantize=QuantizeTable(mode))
    request = Request("net", board, Recipe(), max_accuracy_drop=limit)
    cpu = load_board(board).cpu
    return searched._dense(request, cpu, None, Progress(), recipe, 0.01 if limit is None else limit)


@pytest.mark.parametrize(("limit", "mode"), [(0.02, "int8-weights"), (0.0, "none"), (None, "none")])
def test_fewer_bytes_are_taken_back_where_they_lose_more(limit, mode):
    assert left("int8-weights", limit).recipe.quantize.mode == mode


@pytest.mark.parametrize(("board", "fixed"), [("rpi4", ("quantize",)), ("mps2-an386", ())])
def test_a_storage_that_is_asked_for_or_needed_is_refused_where_it_loses_the_users_limit(
    board, fixed
):
    with pytest.raises(
        VerifyError, match=r"1% cannot be kept: int8 alone loses 3\.00 points on 100"
    ):
        left("int8", 0.01, board, fixed)
    assert left("int8", None, board, fixed).recipe.quantize.mode == "int8"
