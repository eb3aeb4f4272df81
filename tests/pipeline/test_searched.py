"""Without a recipe and with data, the best network is searched, made and scored."""

import dataclasses
import io

import numpy as np
import pytest
import searched_net
from rich.console import Console

from edgeprune.devices.boards import Cpu, load_board, resolved_cpu
from edgeprune.errors import VerifyError
from edgeprune.firmware.planned import planned_on
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.macs import size
from edgeprune.pipeline import timed_here
from edgeprune.pipeline.accuracy_limit import compress_within_limit
from edgeprune.pipeline.request import Request
from edgeprune.prediction import explain
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe, load_recipe, write_recipe
from edgeprune.recipe.quantize_table import QuantizeTable

PC = Cpu("host", "x86_64", ("avx",))


@pytest.fixture(autouse=True, scope="module")
def short_trainings():
    with searched_net.short_trainings():
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network much larger than its task."""
    folder = tmp_path_factory.mktemp("searched")
    model, data = searched_net.write(folder, hidden=96, tests=1000)
    return Request(model, "mps2-an386", Recipe(), data=str(data), budget_s=searched_net.BUDGET_S)


def compressed(request, cpu=None, **changes):
    """What was made of it, and what was told meanwhile."""
    log = io.StringIO()
    with Progress(Console(file=log, width=1000), brief=True) as progress:
        request = dataclasses.replace(request, **changes)
        cpu = cpu or resolved_cpu(load_board(request.board).cpu)
        done = compress_within_limit(request, cpu, progress)
    return done, log.getvalue()


def lost(done):
    return done.scores[done.first_score].value - done.scores["deployed"].value


@pytest.fixture(scope="module")
def on_a_board(trained):
    return compressed(trained)


def test_it_keeps_a_point_on_samples_that_chose_nothing(on_a_board):
    done, log = on_a_board
    assert lost(done) <= 0.01
    assert done.scores["deployed"].samples == 500
    assert "500 of the 1,000 test samples choose among networks" in log
    assert "limit: at most 1 point of top1 below dense's" in log
    assert "searching for at most 6 seconds" in log


def test_it_takes_less_on_the_board_than_int8_alone(on_a_board):
    done, _ = on_a_board
    board = load_board("mps2-an386")
    dense, deployed = (
        planned_on(tflite, board) for tflite in (done.dense_int8, done.sparsified.tflite)
    )
    assert deployed.instructions < 0.7 * dense.instructions
    assert deployed.flash_bytes < dense.flash_bytes


def test_the_same_request_is_answered_at_once_by_the_same_bytes(on_a_board, trained):
    done, _ = on_a_board
    again, log = compressed(trained)
    assert "the same search was made before" in log and "tried: " not in log
    assert again.sparsified.tflite == done.sparsified.tflite
    assert again.recipe == done.recipe


def test_a_damaged_decision_is_made_anew(trained):
    from edgeprune.training.store import store_folder

    untrained = {"board": "rpi4-emulated", "budget_s": searched_net.NO_TRAINING_S}
    first, log = compressed(trained, **untrained)
    assert "tried: " in log and "tried: " not in compressed(trained, **untrained)[1]
    for file in store_folder().glob("*/said.json"):
        file.write_text("{")
    again, log = compressed(trained, **untrained)
    assert "tried: " in log
    assert again.sparsified.tflite == first.sparsified.tflite


@pytest.mark.full_range
def test_its_recipe_makes_the_same_bytes_again(on_a_board, trained, tmp_path):
    done, _ = on_a_board
    write_recipe(done.recipe, tmp_path / "best.toml")
    again, _ = compressed(trained, recipe=load_recipe(str(tmp_path / "best.toml")))
    assert again.sparsified.tflite == done.sparsified.tflite


def test_its_recipe_makes_the_same_bytes_where_nothing_is_kept(
    on_a_board, trained, tmp_path, monkeypatch
):
    done, _ = on_a_board
    write_recipe(done.recipe, tmp_path / "best.toml")
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path / "home"))
    again, _ = compressed(trained, recipe=load_recipe(str(tmp_path / "best.toml")))
    assert again.sparsified.tflite == done.sparsified.tflite


def test_on_a_core_without_sparse_gains_channels_go(trained):
    done, _ = compressed(trained, board="rpi4-emulated")
    cpu = resolved_cpu(load_board("rpi4-emulated").cpu)
    dense, deployed = (explain(one, cpu) for one in (done.dense, done.sparsified.tflite))
    assert lost(done) <= 0.01
    assert deployed.instructions < 0.9 * dense.instructions


def test_what_fits_is_found_where_the_network_does_not(trained):
    done, _ = compressed(trained, max_size=6000, max_accuracy_drop=0.5)
    board = load_board("mps2-an386")
    assert len(planned_on(done.sparsified.tflite, board).plan.data) <= 6000
    assert lost(done) <= 0.5


@pytest.mark.full_range
def test_a_file_may_be_limited_too(trained):
    done, _ = compressed(trained, board="rpi4-emulated", max_size=6000, max_accuracy_drop=0.5)
    assert len(done.sparsified.tflite) <= 6000
    assert lost(done) <= 0.5


def test_a_file_that_the_users_recipe_makes_too_large_is_refused(trained):
    recipe = dataclasses.replace(Recipe(), name="mine", why="asked")
    with pytest.raises(VerifyError, match=r"its file takes 8,\d+ bytes, and --max-size allows"):
        compressed(trained, board="rpi4-emulated", recipe=recipe, max_size=7000)


def test_where_nothing_fits_it_is_refused(trained):
    with pytest.raises(VerifyError, match=r"nothing small enough was found: .* allows 300"):
        compressed(trained, max_size=300)


def test_a_limit_that_nothing_that_fits_keeps_is_refused_with_the_closest(trained, tmp_path):
    data = dict(np.load(trained.data))
    data["y_train"] = np.random.default_rng(3).permutation(data["y_train"])  # teaches nothing
    file = tmp_path / "odd.npz"
    np.savez(file, **data)
    with pytest.raises(VerifyError, match=r"cannot be kept by what fits: the closest is .* worse"):
        compressed(trained, data=str(file), max_size=6000, max_accuracy_drop=0.01)


def test_a_budget_too_small_for_any_training_still_gives_an_answer(trained):
    done, _ = compressed(trained, board="rpi4-emulated", budget_s=searched_net.NO_TRAINING_S)
    assert lost(done) <= 0.01
    assert not done.recipe.steps or not any(
        table.epochs
        for step in done.recipe.steps
        for table in (step.tune, step.channels, step.prune)
        if table is not None
    )


def test_a_budget_that_holds_no_training_is_named(trained):
    done, _ = compressed(trained, board="rpi4-emulated", budget_s=0.0)
    assert done.recipe.why == "no training fits into the time (--budget): the model stays as it is"


@pytest.fixture
def on_a_pc(trained, monkeypatch, tmp_path):
    """What is made on this machine where int8 takes a share of float32's time."""
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path / "home"))

    def on(int8, small=None, **changes):
        whole = {}

        def ratio(tflite, beside):
            macs = whole.setdefault("macs", size(beside).macs)
            share = size(tflite).macs / macs
            if graph.computes_on_integers(graph.view(tflite)):
                share *= int8 if share == 1 or small is None else small
            return share

        monkeypatch.setattr(timed_here, "time_ratio", ratio)
        return compressed(trained, PC, board="local", **changes)

    return on


def test_on_a_pc_int8_is_taken_where_it_is_timed_faster(on_a_pc):
    done, log = on_a_pc(0.5, budget_s=searched_net.NO_TRAINING_S)
    line = "int8 takes 0.51 of float32's time on this machine, timed"
    assert line in log and line in done.notes
    assert "1.98x faster (timed here)" in log and "(predicted)" not in log
    assert done.recipe.quantize.mode == "int8"
    assert lost(done) <= 0.01


def test_on_a_pc_int8_is_not_tried_where_it_is_timed_slower(on_a_pc):
    done, log = on_a_pc(1.5, budget_s=searched_net.NO_TRAINING_S)
    assert "int8 takes 1.48 of float32's time on this machine, timed: it is not tried" in log
    assert "tried: int8" not in log
    assert done.recipe.quantize.mode != "int8"


def test_on_a_pc_smaller_networks_stay_in_floats_where_int8_gains_them_too_little(on_a_pc):
    done, log = on_a_pc(0.8, small=0.95, budget_s=searched_net.SMALL_BUDGET_S)
    assert "of the MACs, int8" in log
    assert "x faster (timed here)" not in log.partition("of the MACs, int8: ")[2].partition("\n")[0]
    assert done.recipe.quantize.mode != "int8" and any(done.recipe.steps)
    assert lost(done) <= 0.01


def test_a_storage_that_is_asked_for_is_searched_on_a_pc_whatever_it_takes(on_a_pc, trained):
    recipe = dataclasses.replace(
        trained.recipe, quantize=QuantizeTable("int8"), fixed=("quantize",)
    )
    done, log = on_a_pc(0.95, recipe=recipe, budget_s=searched_net.SMALL_BUDGET_S)
    assert "int8 takes" not in log
    assert "of the MACs, int8" in log and "x faster (timed here)" in log
    assert done.recipe.quantize.mode == "int8"


def test_another_pc_says_that_int8_is_not_tried(trained):
    _, log = compressed(trained, PC, board="rpi4", budget_s=searched_net.NO_TRAINING_S)
    assert "int8 is not tried: whether it is faster on rpi4 is not known ahead" in log
