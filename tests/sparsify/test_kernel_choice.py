"""Which int8 layers `auto` gives to edgeprune's own kernels, and what it says of the choice."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from int8_networks import mobilenet_v1

from edgeprune.devices.boards import Cpu, load_board
from edgeprune.models.tflite.conv_plan import Geometry
from edgeprune.prediction.own_kernels import costs_of, costs_table
from edgeprune.sparsify.kernel_choice import (
    MIN_AUTO_SPARSITY,
    OwnLayer,
    choice_lines,
    kernel_choices,
    saving,
)
from edgeprune.sparsify.own_kernels import layers_of

A76 = load_board("rpi5").cpu
AVX2 = Cpu("host", "x86_64", ("avx", "avx2"))
VNNI = "avx avx2 avx512f avx512bw avx512vl avx512_vnni"
AVX512 = Cpu("host", "x86_64", tuple(VNNI.split()))
OTHER = Cpu("other", "riscv64", ())
SME = dataclasses.replace(A76, features=(*A76.features, "sme"))


def layer(pixels=196, depth=512, units=512, taps=1, zeros=0.9, name="a/layer"):
    side = round(taps**0.5)
    whole = -(-depth // 4) * taps * units
    size = (1, pixels)
    kernel, blocks = (side, side), round((1 - zeros) * whole)
    geometry = Geometry("CONV_2D", 1, depth, units, blocks, size, size, kernel, pad_left=side // 2)
    return OwnLayer(name, "CONV_2D", geometry, "", depth * taps * units, 0)


layers = st.builds(
    layer,
    pixels=st.integers(1, 3136),
    depth=st.integers(1, 600),
    units=st.integers(1, 600),
    taps=st.sampled_from([1, 9, 25]),
    zeros=st.floats(0, 1),
)


@given(one=layers, cpu=st.sampled_from([A76, AVX2, AVX512]))
@settings(max_examples=300, deadline=None)
def test_auto_takes_exactly_what_is_predicted_to_be_faster_by_the_margin_and_no_larger(one, cpu):
    costs, _ = costs_of(cpu)
    (choice,) = kernel_choices([one], cpu, "auto")
    is_faster = costs.own_cost(one.geometry) <= (1 - costs.margin) * costs.dense_cost(one.geometry)
    assert choice.is_own == (is_faster and one.block_sparsity >= MIN_AUTO_SPARSITY)
    assert choice.own_cost > 0 and choice.dense_cost > 0 and choice.reason
    saved = saving([one], cpu)
    assert saved.own <= saved.dense and (saved.own < saved.dense) == choice.is_own


@given(one=layers, cpu=st.sampled_from([A76, AVX2, AVX512]))
@settings(max_examples=100, deadline=None)
def test_more_zeros_never_cost_more(one, cpu):
    costs, _ = costs_of(cpu)
    emptier = dataclasses.replace(one.geometry, blocks=one.geometry.blocks // 2)
    assert costs.own_cost(emptier) <= costs.own_cost(one.geometry)
    assert costs.dense_cost(emptier) == costs.dense_cost(one.geometry)


@pytest.mark.parametrize("cpu", [A76, AVX2, AVX512])
def test_a_large_layer_with_most_blocks_zero_is_taken_and_one_without_is_not(cpu):
    assert kernel_choices([layer()], cpu, "auto")[0].is_own
    assert not kernel_choices([layer(zeros=0.0)], cpu, "auto")[0].is_own


@pytest.mark.parametrize(
    ("cpu", "why"),
    [
        (SME, "SME"),
        (OTHER, "scalar, was never measured"),
        (Cpu("host", "x86_64", ("avx2", "avx_vnni")), "avx_vnni, was never measured"),
    ],
)
def test_auto_promises_nothing_where_nobody_measured_and_says_so(cpu, why):
    (choice,) = kernel_choices([layer()], cpu, "auto")
    assert not choice.is_own and why in choice.reason and choice.own_cost is None
    (line,) = choice_lines([choice], cpu, "auto")
    assert line.startswith("kernels auto: no layer runs in edgeprune's own kernels: ")
    assert saving([layer()], cpu) is None
    assert kernel_choices([layer()], cpu, "edgeprune")[0].is_own  # as asked for


def test_lines_say_how_many_layers_how_much_and_why_others_stay():
    found = [layer(name=f"net/large_{k}") for k in range(5)]
    found += [layer(zeros=0.1, name="net/few_zeros"), layer(pixels=1, depth=8, name="net/tiny")]
    choices = kernel_choices(found, A76, "auto")
    first, *rest = choice_lines(choices, A76, "auto")
    share = choices[0].own_cost / choices[0].dense_cost
    assert first == (
        "kernels auto: 5 of 7 layers run in edgeprune's own kernel neon_dot, which is predicted to "
        f"take {share:.2f} of what the dense ones do"
    )
    text = "\n".join(rest)
    assert "few_zeros: of its 1x4 blocks 10% are zero, and 20% have to be" in text
    assert "tiny: edgeprune's kernel is predicted to take" in text and "instructions" in text


def test_a_small_layer_may_grow_where_others_gain_anyway():
    stem = Geometry("CONV_2D", 1, 3, 64, 49 * 64, (224, 224), (112, 112), (7, 7), (2, 2), (1, 1), 2)
    first = OwnLayer("net/stem", "CONV_2D", stem, "", 64 * 49 * 3, 0)
    assert not kernel_choices([first], A76, "auto")[0].is_own
    assert kernel_choices([first, layer()], A76, "auto")[0].is_own
    whole = layer(zeros=0.0, name="net/whole")  # would grow by 64 KiB
    assert not kernel_choices([whole, layer()], A76, "auto")[0].is_own


def test_where_nothing_is_zero_there_is_nothing_to_say():
    choices = kernel_choices([layer(zeros=0.0)], A76, "auto")
    assert choice_lines(choices, A76, "auto") == ()
    assert len(choice_lines(choices, A76, "edgeprune")) == 1
    assert kernel_choices([OwnLayer("a", "CONV_2D", None, "is float")], A76, "auto") == ()


def test_of_whole_networks_shares_only_layers_like_theirs_profit():
    assert kernel_choices([layer(zeros=0.8)], AVX512, "auto")[0].is_own
    for other in (layer(zeros=0.6), layer(pixels=1), layer(depth=8)):
        assert not kernel_choices([other], AVX512, "auto")[0].is_own
    assert saving([layer()], AVX512).unit == "time"


def test_what_would_be_saved_with_zeros_rises_with_them():
    found = layers_of(mobilenet_v1().tflite)
    at = [saving(found, A76, share) for share in (0.0, 0.5, 0.9, 0.95)]
    assert at[0].own == at[0].dense and at[0].bytes == 0
    assert at[0].dense == at[3].dense and at[3].own < at[2].own <= at[1].own <= at[0].own
    assert at[3].bytes > at[2].bytes > 0


def test_every_table_is_whole():
    for kernel in ("neon_dot", "avx2"):
        costs = costs_table(kernel)
        assert costs.kernel == kernel and set(costs.own) == {"pointwise", "window", "single"}
        assert 0 < costs.margin < 0.3 and costs.command.endswith(kernel)


def test_where_no_layer_can_be_of_our_own_nothing_is_said_to_be_saved():
    assert saving((), A76, 0.8) is None
    assert saving([OwnLayer("a", "CONV_2D", None, "it is in groups")], A76, 0.8) is None
