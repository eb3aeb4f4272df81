import dataclasses
import re

import nets
import odd_nets
import pytest

from edgeprune.auto import choice
from edgeprune.auto.choice import choose, gentler
from edgeprune.devices.boards import Cpu, load_board
from edgeprune.prediction import explain
from edgeprune.recipe import Recipe, load_recipe
from edgeprune.recipe.overrides import recipe_of
from edgeprune.recipe.small_tables import SparsifyTable

A72 = load_board("rpi4").cpu
A76 = load_board("rpi5").cpu
A53_32 = load_board("rpi3-32").cpu
AVX = Cpu("host", "x86_64", ("avx", "avx2"))


def wide():
    """Pointwise layers of 128 and 256 channels, behind a convolution and before a dense layer."""
    net = nets.Net()
    x = net.conv(net.input(1, 56, 56, 3), 64, kernel=3, stride=2, padding="SAME")
    for channels in (128, 256, 256):
        x = net.conv(x, channels)
    return net.build(net.mean(x))


WIDE = wide()


def chosen(cpu, recipe=None, *, tflite=None, has_data=True, **rest):
    return choose(recipe or Recipe(), cpu, tflite or nets.eligible(), has_data=has_data, **rest)


def asked(**flags):
    given = {"sparsity": None, "pattern": None, "quantize": None, **flags}
    return recipe_of("auto", **given)


def summary(recipe):
    return (recipe.prune.sparsity, recipe.prune.pattern, recipe.quantize.mode)


@pytest.fixture
def predicted(monkeypatch):
    """Sets the predictions, in millions of a unit."""

    def predict(dense, sparse, int8, layers=13, unit="cycles", own=None):
        millions = [None if one is None else one * 1e6 for one in (dense, sparse, int8, own)]
        costs = choice._Costs(unit, *millions[:3], layers, own=millions[3])
        monkeypatch.setattr(choice, "_costs", lambda *_: costs)

    return predict


@pytest.mark.parametrize("unit", ["cycles", "instructions"])
def test_a_core_without_dot_product_runs_sparse_and_the_reason_names_every_rival(predicted, unit):
    predicted(210.4, 73.4, None, unit=unit)
    found = chosen(A72)
    assert summary(found) == (0.8, "kernel", "int8-weights")
    assert found.why == (
        f"80% sparse, pattern kernel: 210.4 M to 73.4 M {unit} on cortex-a72 (predicted) with "
        "13 sparse kernels; int8 would take 0.7 to 2.0 of float32's instructions, by network"
    )


def test_a_core_with_dot_product_computes_on_integers_where_that_is_cheaper(predicted):
    predicted(202.3, 73.4, 64.2)
    found = chosen(A76)
    assert summary(found) == (0.0, "unstructured", "int8")
    assert "with dot product" in found.why and "80% sparse would take 73.4 M cycles" in found.why
    predicted(202.3, 47.3, 64.2)
    assert summary(chosen(A76, asked(sparsity=0.9))) == (0.9, "kernel", "int8-weights")


@pytest.mark.parametrize("cpu, rival", [(A72, "none"), (A76, "int8")])
def test_sparse_must_win_clearly_unless_the_user_asks_for_sparsity(predicted, cpu, rival):
    int8 = None if cpu is A72 else 40
    predicted(43, 39, int8)
    assert chosen(cpu).quantize.mode == rival
    assert chosen(cpu, asked(sparsity=0.8)).quantize.mode == "int8-weights"
    predicted(43, 35, int8)
    assert chosen(cpu).quantize.mode == "int8-weights"


def test_blocks_in_int8_are_taken_where_kernels_of_our_own_gain_most(predicted):
    predicted(202.3, 73.4, 64.2, own=35.9)
    found = chosen(A76)
    assert summary(found) == (0.8, "1x4", "int8") and found.prune.layers == "all"
    assert found.why == (
        "80% sparse in blocks of 1x4, int8 in edgeprune's own kernels: 202.3 M to 35.9 M cycles on "
        "cortex-a76 (predicted); int8 would take some 64.2 M"
    )
    predicted(202.3, 73.4, 64.2, own=60.0)  # which costs accuracy, and gains too little
    assert summary(chosen(A76)) == (0.0, "unstructured", "int8")
    predicted(202.3, 30.0, 64.2, own=35.9)
    assert summary(chosen(A76)) == (0.8, "kernel", "int8-weights")


@pytest.mark.parametrize(
    "flags, expected",
    [
        ({"quantize": "int8"}, (0.8, "1x4", "int8")),
        ({"pattern": "1x4"}, (0.8, "1x4", "int8")),
        ({"sparsity": 0.9}, (0.9, "1x4", "int8")),
        ({"pattern": "2x1"}, (0.8, "2x1", "int8-weights")),
        ({"quantize": "fp16"}, (0.8, "kernel", "fp16")),
        ({"sparsity": 0.0}, (0.0, "unstructured", "int8")),
    ],
)
def test_blocks_in_int8_give_way_to_what_the_user_asks_for(flags, expected):
    assert summary(chosen(A76, asked(**flags), tflite=WIDE)) == expected


def test_what_blocks_in_int8_would_take_is_predicted_by_the_kernels_own_costs():
    recipe = choose(Recipe(), A76, WIDE, has_data=True)
    assert summary(recipe) == (0.8, "1x4", "int8")
    millions = re.search(r"to ([\d.]+) M .* some ([\d.]+) M", recipe.why)
    own, int8 = (float(text) for text in millions.groups())
    assert own < choice.SPARSE_MARGIN * int8
    dense = dataclasses.replace(Recipe(), sparsify=SparsifyTable(kernels="runtime"))
    assert summary(choose(dense, A76, WIDE, has_data=True)) == (0.8, "kernel", "int8-weights")
    sme = dataclasses.replace(A76, features=(*A76.features, "sme"))
    assert "own kernels" not in choose(Recipe(), sme, WIDE, has_data=True).why


def test_where_no_layer_would_run_sparse_int8_is_taken_if_it_has_dot_product(predicted):
    predicted(100, 90, 33, layers=0)
    found = chosen(A76)
    assert summary(found) == (0.0, "unstructured", "int8")
    assert "no layer would run sparse" in found.why


def test_without_dot_product_int8_is_not_taken_for_a_gain_that_nobody_knows(predicted):
    predicted(100, 90, None, layers=0)
    found = chosen(A72)
    assert summary(found) == (0.0, "unstructured", "none")
    assert found.why == (
        "nothing to gain on cortex-a72 as float32: at 80% sparsity no layer would run sparse; int8 "
        "would take 0.7 to 2.0 of float32's instructions, by network"
    )
    assert chosen(A72, asked(quantize="int8")).quantize.mode == "int8"


def test_with_nothing_to_gain_the_model_stays_as_it_is_and_one_line_says_so(predicted):
    predicted(100, 110, 33)
    found = chosen(A76, asked(quantize="none"))
    assert summary(found) == (0.0, "unstructured", "none")
    assert found.why.startswith("nothing to gain on cortex-a76") and "\n" not in found.why


@pytest.mark.parametrize("cpu", [A72, A76, AVX])
@pytest.mark.parametrize("costs", [(100, 50, None), (100, 80, 33), (100, 120, 110)])
@pytest.mark.parametrize(
    "flags",
    [
        {"sparsity": 0.7},
        {"sparsity": 0.0},
        {"pattern": "4x1"},
        {"quantize": "fp16"},
        {"quantize": "int8"},
        {"sparsity": 0.9, "pattern": "unstructured", "quantize": "none"},
    ],
)
def test_what_the_user_asks_for_always_wins(predicted, cpu, costs, flags):
    predicted(*costs)
    found = chosen(cpu, asked(**flags))
    sparsity, pattern, mode = summary(found)
    assert sparsity == flags.get("sparsity", sparsity)
    assert pattern == flags.get("pattern", pattern)
    assert mode == flags.get("quantize", mode)
    assert found.why


def test_on_x86_with_avx_pruning_is_said_not_to_pay_and_the_file_gets_smaller_only():
    found = chosen(dataclasses.replace(AVX, features=("avx",)))
    assert summary(found)[::2] == (0.0, "int8-weights")
    assert "pruning would not be faster; the file is made smaller only" in found.why
    assert chosen(AVX, asked(quantize="int8")).quantize.mode == "int8"


def test_on_x86_with_kernels_of_our_own_it_is_said_what_they_would_gain_from():
    found = chosen(AVX)
    assert summary(found)[::2] == (0.0, "int8-weights")
    assert "--quantize int8 --pattern 1x4 --sparsity 0.8; the file is made smaller" in found.why
    table = dataclasses.replace(load_recipe("auto").sparsify, kernels="runtime")
    assert "1x4" not in chosen(AVX, dataclasses.replace(load_recipe("auto"), sparsify=table)).why


def test_on_32_bit_arm_pruning_is_said_not_to_pay_and_int8_is_taken(monkeypatch):
    board = load_board("rpi3-32").cpu
    found = chosen(board)
    assert summary(found)[::2] == (0.0, "int8")
    assert "no sparse kernels for armv7l: pruning would not be faster; int8 takes" in found.why
    monkeypatch.setattr(choice, "has_quantizer", lambda: False)
    found = chosen(board)
    assert summary(found)[::2] == (0.0, "none") and "edgeprune[quantize]" in found.why


def test_what_can_be_trained_gets_its_sparsity_where_that_costs_least(predicted):
    predicted(210.4, 73.4, None)
    assert chosen(A72, is_trainable=True).prune.allocation == "cost_aware"
    assert chosen(A72).prune.allocation == "uniform"
    assert chosen(A72, asked(sparsity=0.8), is_trainable=True).prune.allocation == "uniform"
    assert chosen(A72, asked(pattern="2:4"), is_trainable=True).prune.allocation == "uniform"
    assert chosen(AVX, asked(sparsity=0.8), is_trainable=True).prune.allocation == "uniform"
    assert chosen(A72, asked(sparsity=0.0), is_trainable=True).prune.allocation == "uniform"


def test_without_data_it_says_that_the_file_is_not_fit_for_use():
    assert chosen(A76, has_data=False).why.endswith("a file fit for use needs --data")
    assert "needs --data" not in chosen(AVX, has_data=False).why


@pytest.mark.parametrize("cpu", [A72, A76, AVX])
@pytest.mark.parametrize("stored", ["float16", "sparse", "integers"])
def test_a_file_that_somebody_made_small_before_is_left_alone(cpu, stored):
    found = chosen(cpu, stored=stored)
    assert summary(found) == (0.0, "unstructured", "none")
    assert "already" in found.why and "left as they are" in found.why


@pytest.mark.parametrize("tflite", [odd_nets.loop(), odd_nets.choice()], ids=["loop", "choice"])
@pytest.mark.parametrize("cpu", [A72, A76, A53_32])
def test_integers_are_not_taken_for_what_the_quantizer_cannot_calibrate(cpu, tflite):
    found = chosen(cpu, tflite=tflite)
    assert summary(found) == (0.0, "unstructured", "none")
    assert "no int8: what " in found.why or "what IF takes depends on the data" in found.why


def test_what_depends_on_the_data_decides_nothing():
    for cpu in (A72, A76):
        for tflite in (odd_nets.loop(counts_on_data=True), odd_nets.choice()):
            found = chosen(cpu, tflite=tflite)
            assert summary(found) == (0.0, "unstructured", "none")
            assert "depends on the data, so that no choice can" in found.why


def test_a_mode_that_turns_out_to_be_impossible_gives_way_and_says_why():
    recipe = dataclasses.replace(asked(), why="int8 on a core")
    recipe = dataclasses.replace(recipe, quantize=dataclasses.replace(recipe.quantize, mode="int8"))
    easier = choice.easier_storage(recipe, "no ranges")
    assert easier.quantize.mode == "int8-weights"
    assert easier.why == "int8 on a core; int8-weights instead of int8: no ranges"
    last = choice.easier_storage(easier, "too large")
    assert last.quantize.mode == "none" and choice.easier_storage(last, "") is None
    assert choice.easier_storage(asked(quantize="int8"), "no ranges") is None
    assert choice.easier_storage(load_recipe("int8"), "no ranges") is None


@pytest.mark.parametrize("name", ["fp16", "int8", "as-is"])
def test_a_named_recipe_is_not_changed(name):
    recipe = load_recipe(name)
    assert chosen(A72, recipe) is recipe


@pytest.mark.parametrize("cpu", [A72, A76])
def test_predictions_come_from_the_graph_that_would_run(cpu):
    dense = nets.eligible(sparsity=0.0, size=32)
    found = choice._costs(dense, cpu, asked(sparsity=0.9), explain(dense, cpu))
    assert found.layers == 2 and found.unit == "cycles"
    assert found.sparse < found.dense
    assert found.int8 is None if cpu is A72 else 0.3 < found.int8 / found.dense < 0.95
    too_dense = choice._costs(dense, cpu, asked(sparsity=0.5), explain(dense, cpu))
    assert too_dense.layers == 0 and too_dense.dense == found.dense


def ladder(recipe, cpu=A76, *, is_trainable=True):
    found = []
    while recipe is not None:
        found.append((*summary(recipe), recipe.qat.epochs))
        recipe = gentler(recipe, cpu, is_trainable=is_trainable)
    return found[1:]


def in_force(sparsity, pattern, mode, fixed=()):
    recipe = Recipe(fixed=fixed)
    table = dataclasses.replace(recipe.prune, sparsity=sparsity, pattern=pattern)
    quantize = dataclasses.replace(recipe.quantize, mode=mode)
    return dataclasses.replace(recipe, prune=table, quantize=quantize, why="so")


def test_gentler_recipes_lose_less_at_each_step_and_come_to_an_end():
    assert ladder(in_force(0.8, "kernel", "int8-weights")) == [
        (0.8, "unstructured", "int8-weights", 0),
        (0.0, "unstructured", "int8", 0),
        (0.0, "unstructured", "int8", 2),
        (0.0, "unstructured", "int8-weights", 0),
    ]
    assert ladder(in_force(0.0, "unstructured", "int8"), is_trainable=False) == [
        (0.0, "unstructured", "int8-weights", 0)
    ]


def test_gentler_recipes_take_int8_arithmetic_only_where_the_core_is_fast_at_it():
    assert ladder(in_force(0.8, "unstructured", "int8-weights"), A72) == [
        (0.0, "unstructured", "int8-weights", 0)
    ]
    assert ladder(in_force(0.8, "unstructured", "int8-weights"), AVX)[0][2] == "int8-weights"


def test_gentler_recipes_keep_what_the_user_fixed():
    fixed = in_force(0.9, "2x1", "int8-weights", ("sparsity", "pattern", "quantize"))
    assert ladder(fixed) == []
    assert ladder(in_force(0.9, "kernel", "none", ("sparsity", "quantize"))) == [
        (0.9, "unstructured", "none", 0)
    ]
    assert ladder(in_force(0.9, "2x1", "int8-weights", ("sparsity", "pattern"))) == [
        (0.9, "2x1", "none", 0)
    ]


def test_a_network_that_nothing_is_done_to_is_no_recipe():
    assert ladder(in_force(0.8, "unstructured", "none", ("quantize",))) == []


def test_a_named_recipe_has_no_gentler_one():
    assert gentler(load_recipe("int8"), A76, is_trainable=True) is None


def test_a_recipe_in_force_is_not_chosen_again():
    recipe = in_force(0.3, "1x4", "fp16")
    assert chosen(A72, recipe) is recipe


M4 = load_board("mps2-an386").cpu


@pytest.mark.parametrize("has_data", [True, False])
def test_a_microcontroller_computes_on_int8_and_its_kernels_run_every_convolution(has_data):
    chosen = choose(asked(), M4, nets.eligible(), has_data=has_data, is_trainable=has_data)
    assert (chosen.quantize.mode, chosen.prune.layers) == ("int8", "all")
    assert chosen.why.startswith(choice.FIRMWARE_INT8)
    assert ("--data" in chosen.why) != has_data


def test_what_cannot_be_trained_for_a_microcontroller_is_not_pruned_and_that_is_said():
    chosen = choose(asked(), M4, nets.eligible(), has_data=True, is_trainable=False)
    assert chosen.prune.sparsity == 0 and "nothing is pruned: that takes a Keras" in chosen.why


def test_no_gentler_recipe_takes_int8_from_a_microcontroller():
    recipe = choose(Recipe(), M4, nets.eligible(), has_data=True)
    recipe = dataclasses.replace(recipe, prune=dataclasses.replace(recipe.prune, sparsity=0.5))
    modes = []
    while recipe is not None:
        modes.append((recipe.quantize.mode, recipe.prune.sparsity))
        recipe = choice.gentler(recipe, M4, is_trainable=True)
    assert {mode for mode, _ in modes} == {"int8"} and len(modes) > 1
