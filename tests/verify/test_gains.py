import dataclasses

import numpy as np
import pytest
from nets import Net, eligible

from edgeprune import verify
from edgeprune.artifacts.clustered import ClusteredTensor
from edgeprune.artifacts.pruned import PrunedTensor
from edgeprune.devices.boards import load_board, resolved_cpu
from edgeprune.errors import VerifyError
from edgeprune.models.tflite import graph
from edgeprune.quantize import quantize
from edgeprune.rewrite import rewrite
from edgeprune.sparsify import sparsify, stored_dense
from edgeprune.verify.gains import gains_of

A72 = resolved_cpu(load_board("rpi4").cpu)
STAGES = ("rewrite", "quantize", "sparsify")


def made_by(stage, tflite):
    """What a stage makes of a file."""
    if stage == "rewrite":
        return rewrite(tflite, A72).tflite
    return quantize(tflite, "int8", None).tflite if stage == "quantize" else sparse(tflite)


def sparse(tflite):
    return sparsify(tflite, A72).tflite


def changed(tflite, change):
    """The file with the values of its largest dense weight tensor changed in place."""
    model = graph.read(stored_dense(tflite))
    subgraph = model.subgraphs[0]
    tensors = [
        graph.stored_source(subgraph, op.inputs[1])
        for op in subgraph.operators
        if graph.op_name(model, op) in graph.FILTER_OPERANDS
    ]
    tensor = max(
        (t for t in tensors if t.sparsity is None), key=lambda t: np.prod(graph.shape_of(t))
    )
    values = graph.constant(model, tensor).copy()
    change(values.reshape(len(values), -1))
    model.buffers[tensor.buffer].data = np.frombuffer(values.tobytes(), np.uint8)
    return graph.write(model)


def fill_one_zero(rows):
    rows[tuple(np.argwhere(rows == 0)[0])] = 1


def few_values(rows):
    rows[rows != 0] = np.sign(rows[rows != 0])


def with_a_branch_to_nowhere():
    """A network with a second layer, of most zeros, that no output needs."""
    net = Net()
    x = net.conv(net.input(1, 16, 16, 3), 16, kernel=3, stride=2)
    net.conv(x, 64, sparsity=0.9)
    return net.build(net.mean(net.conv(x, 64, sparsity=0.8)))


@pytest.mark.parametrize("stage", ["rewrite", "quantize", "sparsify"])
def test_what_no_output_needs_is_no_loss_where_a_stage_leaves_it_out(stage):
    tflite = with_a_branch_to_nowhere()
    made = made_by(stage, tflite)
    assert verify.check_kept(stage, tflite, made) == ()
    assert len(gains_of(tflite)) == len(gains_of(made)) == 2


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("mode", ["none", "fp16", "int8-weights", "int8", "int16x8"])
def test_our_own_stages_lose_nothing(sparsity, mode):
    before = eligible(sparsity)
    rewritten = rewrite(before, A72).tflite
    quantized = quantize(rewritten, mode, None).tflite
    assert verify.check_kept("rewrite", before, rewritten) == ()
    blocks = not mode.startswith("int")
    assert verify.check_kept("quantize", rewritten, quantized, blocks=blocks) == ()
    assert verify.check_kept("sparsify", quantized, sparse(quantized)) == ()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_fills_a_single_zero_is_caught(stage):
    before = eligible(0.9)
    after = changed(made_by(stage, before), fill_one_zero)
    with pytest.raises(VerifyError, match=rf"stage {stage} lost .* zeros and has .*nothing was"):
        verify.check_kept(stage, before, after, blocks=False)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_loses_a_codebook_is_caught(stage):
    before = changed(eligible(0.9), few_values)

    def spoil(rows):
        k = np.count_nonzero(rows, axis=1).argmax()
        rows[k, np.flatnonzero(rows[k])] = np.arange(1, np.count_nonzero(rows[k]) + 1)

    after = changed(made_by(stage, before), spoil)
    with pytest.raises(VerifyError, match=f"stage {stage} lost .* distinct values in a channel"):
        verify.check_kept(stage, before, after, blocks=False)
    assert verify.check_kept(stage, before, after, blocks=False, codebooks=False) == ()


def test_a_stage_that_breaks_blocks_up_is_caught_where_sparse_kernels_may_run():
    def in_fours(rows):
        rng = np.random.default_rng(0)
        rows[:] = np.repeat(rng.random((len(rows) // 4, rows.shape[1])) > 0.8, 4, axis=0)

    def thin_out(rows):
        rows[1::4] = 0

    before = changed(eligible(0.9), in_fours)
    after = changed(before, thin_out)
    with pytest.raises(VerifyError, match=r"stage quantize lost .* 4 channels a block and has 1"):
        verify.check_kept("quantize", before, after)
    verify.check_kept("quantize", before, after, blocks=False)


def test_a_codebook_that_was_scaled_channel_by_channel_is_told():
    before = changed(eligible(0.5), few_values)

    def scale(rows):
        rows *= np.linspace(0.5, 1.5, len(rows), dtype=np.float32)[:, None]

    found = verify.check_kept("rewrite", before, changed(before, scale))
    assert len(found) == 1 and "one per output channel of 2 at most" in found[0]


def test_tensors_that_a_stage_splits_are_compared_by_their_sums():
    def net(*parts):
        made = Net()
        x = made.input(1, 4, 4, 8)
        outs = [made.conv(x, width, sparsity=share) for width, share in parts]
        if len(outs) == 1:
            return made.build(*outs)
        shape = (1, 4, 4, sum(width for width, _ in parts))
        return made.build(made.op("CONCATENATION", outs, shape, "ConcatenationOptions", axis=3))

    whole = net((16, 0.5))
    verify.check_kept("rewrite", whole, net((8, 0.75), (8, 0.25)))
    with pytest.raises(VerifyError, match=r"stage rewrite lost .* had 64 zeros and has 60"):
        verify.check_kept("rewrite", whole, net((8, 0.75), (8, 3 / 16)))


def test_zeros_and_codebooks_of_the_keras_model_must_be_in_the_converted_file():
    tflite = changed(eligible(0.9), few_values)
    gain = max(verify.gains_of(tflite), key=lambda one: one.weights)
    pruned = PrunedTensor("mix/kernel", gain.weights, gain.zeros)
    book = ClusteredTensor("mix/kernel", gain.weights, gain.zeros, 2, 20.0)
    verify.check_converted("convert", [pruned], [book], tflite)
    with pytest.raises(VerifyError, match=r"stage convert lost .* 'mix/kernel' had .* zeros"):
        more = dataclasses.replace(pruned, zeros=gain.zeros + 1)
        verify.check_converted("convert", [more], [], tflite)
    with pytest.raises(VerifyError, match=r"stage convert lost .* 1 distinct values and has 2"):
        verify.check_converted("convert", [], [dataclasses.replace(book, distinct=1)], tflite)


def test_a_stage_of_the_keras_model_that_loses_zeros_is_caught_by_name():
    before = [PrunedTensor("a/kernel", 10, 5), PrunedTensor("b/kernel", 10, 2)]
    verify.check_counts("cluster", before, [PrunedTensor("b/kernel", 10, 2)])
    with pytest.raises(
        VerifyError, match=r"stage cluster lost .* 'a/kernel' had 5 zeros and has 4"
    ):
        verify.check_counts("cluster", before, [PrunedTensor("a/kernel", 10, 4)])


def dense(*parts):
    """Dense layers with these weights, one after another's input."""
    net = Net()
    outs = []
    for values in parts:
        values = np.asarray(values, np.float32)
        kept, x = net.const(values), net.input(1, values.shape[1])
        inputs, shape = [x, kept, -1], (1, len(values))
        outs.append(net.op("FULLY_CONNECTED", inputs, shape, "FullyConnectedOptions"))
    return net.build(*outs)


def test_what_a_tensor_has_won_is_counted():
    (gain,) = verify.gains_of(dense([[0, 1, 2, 2], [3, 0, 0, 3], [0, 0, 0, 0]]))
    assert (gain.weights, gain.zeros) == (12, 7)
    assert (gain.distinct, gain.channel_distinct) == (3, 2)
    assert gain.name == "t2"


@pytest.mark.parametrize(
    ("rows", "block"),
    [
        ([[1, 0], [1, 0], [1, 0], [1, 0]], 4),  # just half of them are zero
        ([[1, 0], [1, 0], [0, 1], [0, 1]], 2),
        ([[1, 0], [0, 1], [1, 0], [0, 1]], 1),
        ([[1, 0], [1, 0], [1, 0], [1, 1]], 1),  # less than half
        ([[1, 0, 1, 0, 1]] * 4, 1),
    ],
)
def test_blocks_count_from_half_of_the_weights_on(rows, block):
    assert verify.gains_of(dense(rows))[0].block == block


def test_only_pointwise_convolutions_and_dense_layers_have_blocks():
    def file(kernel):
        net = Net()
        net.weights = lambda shape, sparsity=0.0: np.zeros(shape, np.float32)
        return net.build(net.conv(net.input(1, 4, 4, 2), 8, kernel=kernel))

    assert [verify.gains_of(file(kernel))[0].block for kernel in (1, 3)] == [4, 1]
    net = Net()
    net.weights = lambda shape, sparsity=0.0: np.zeros(shape, np.float32)
    depthwise = net.build(net.depthwise(net.input(1, 4, 4, 8)))
    assert verify.gains_of(depthwise)[0].block == 1


def test_the_same_file_has_lost_nothing_and_is_not_even_read():
    assert verify.check_kept("rewrite", b"no file", b"no file") == ()


@pytest.mark.parametrize(("values", "is_codebook"), [(256, True), (257, False)])
def test_a_codebook_has_at_most_256_values(values, is_codebook):
    row = [*range(1, values + 1), 1]
    before, after = dense([row]), dense([[*row[:-1], values + 1]])
    if is_codebook:
        with pytest.raises(VerifyError, match="had 256 distinct values in a channel and has 257"):
            verify.check_kept("quantize", before, after)
    else:
        assert verify.check_kept("quantize", before, after) == ()


@pytest.mark.parametrize(("values", "is_codebook"), [(256, True), (257, False)])
def test_a_codebook_of_256_values_that_became_one_per_channel_is_told(values, is_codebook):
    row = [*range(1, values + 1)]
    after = dense([row, [value + 1000 for value in row]])
    said = verify.check_kept("rewrite", dense([row, row]), after)
    assert len(said) == is_codebook and all("a codebook of 256 values" in line for line in said)


def test_what_was_lost_is_told_with_both_figures():
    before = dense([[0, 0, 0, 1], [1, 1, 0, 2]])
    with pytest.raises(VerifyError) as raised:
        verify.check_kept("rewrite", before, dense([[0, 0, 0, 1], [1, 1, 2, 2]]))
    assert "the stage rewrite lost what was won before: 't2' had 4 zeros and has 3;" in str(
        raised.value
    )
    with pytest.raises(VerifyError, match="'t2' had 2 distinct values in a channel and has 3;"):
        verify.check_kept("rewrite", before, dense([[0, 0, 0, 1], [1, 3, 0, 2]]))
    with pytest.raises(VerifyError, match="'t2' had 4 channels a block and has 1;"):
        verify.check_kept("rewrite", dense([[0, 1]] * 4), dense([[0, 1], [1, 0]] * 2))


def test_blocks_of_as_many_channels_and_of_more_are_kept():
    ones = dense([[1, 0], [0, 1], [1, 0], [0, 1]])
    twos, fours = dense([[1, 0]] * 2 + [[0, 1]] * 2), dense([[1, 0]] * 4)
    assert verify.check_kept("rewrite", ones, fours) == ()
    assert verify.check_kept("rewrite", twos, dense([[0, 1]] * 2 + [[1, 0]] * 2)) == ()
    with pytest.raises(VerifyError, match="had 2 channels a block and has 1"):
        verify.check_kept("rewrite", twos, ones)


ALIKE = [[1, 2, 0, 1], [2, 1, 0, 2]]
"""Two values, and both in each channel: a codebook of the whole tensor."""


@pytest.mark.parametrize(
    ("before", "after", "is_told"),
    [
        (ALIKE, [[1, 2, 0, 1], [4, 2, 0, 4]], True),  # three values now, two in a channel
        (ALIKE, [[2, 1, 0, 2], [1, 2, 0, 1]], False),
        (ALIKE, [[1, 1, 0, 1], [2, 2, 0, 2]], False),  # no more than before
        ([[1, 2, 0, 1], [3, 4, 0, 3]], [[5, 6, 0, 5], [7, 8, 0, 9]], None),
        ([[1, 2, 0, 1], [3, 4, 0, 3]], [[5, 6, 0, 5], [7, 8, 0, 7]], False),  # never was one
    ],
)
def test_a_codebook_that_became_one_per_channel_is_told_once(before, after, is_told):
    if is_told is None:
        with pytest.raises(VerifyError, match="had 2 distinct values in a channel and has 3"):
            verify.check_kept("rewrite", dense(before), dense(after))
        return
    found = verify.check_kept("rewrite", dense(before), dense(after))
    assert len(found) == is_told
    if is_told:
        assert (
            "rewrite: t2 had a codebook of 2 values, and has one per output channel of 2"
            in (found[0])
        )
    assert verify.check_kept("rewrite", dense(before), dense(after), codebooks=False) == ()


def test_a_whole_tensor_of_more_values_than_a_codebook_is_not_told():
    row = np.arange(1, 258)
    before, after = dense([row, row]), dense([row, row + 1])
    assert verify.check_kept("rewrite", before, after) == ()


def test_tensors_that_are_gone_are_named_with_their_zeros():
    before = dense([[0, 1]], [[0, 0, 1]], [[0, 1, 1, 1]])
    after = dense([[0, 1]], [[0, 1, 1, 1], [2, 2, 2, 2]])
    with pytest.raises(VerifyError, match=r"'t5', 't8' had 3 zeros and has 1;|'t5' had 2"):
        verify.check_kept("rewrite", before, after)


def counted(name, weights, zeros):
    return PrunedTensor(name, weights, zeros)


def test_as_many_zeros_as_before_are_enough_and_unknown_names_are_passed_over():
    before = [counted("a", 10, 5)]
    verify.check_counts("cluster", before, [counted("a", 10, 5), counted("b", 10, 0)])
    verify.check_counts("cluster", before, [counted("a", 10, 6)])


def test_the_most_zeros_of_a_size_must_reach_the_most_zeros_of_the_model():
    tflite = dense([[0, 0, 0, 1]], [[0, 1, 1, 1]], [[0, 0, 1, 1, 1]])
    verify.check_converted("convert", [counted("a", 4, 1), counted("b", 4, 3)], [], tflite)
    verify.check_converted("convert", [counted("a", 4, 3)], [], tflite)
    verify.check_converted("convert", [counted("elsewhere", 7, 7)], [], tflite)
    with pytest.raises(VerifyError, match="'a' had 2 zeros and has 1"):
        verify.check_converted("convert", [counted("a", 4, 2), counted("b", 4, 3)], [], tflite)
    with pytest.raises(VerifyError, match="'c' had 3 zeros and has 2"):
        verify.check_converted("convert", [counted("b", 4, 3), counted("c", 5, 3)], [], tflite)


def test_the_fewest_values_of_a_size_must_not_be_more_than_those_of_the_model():
    def book(name, weights, distinct):
        return ClusteredTensor(name, weights, 0, distinct, 20.0)

    tflite = dense([[1, 2, 3, 0]], [[1, 1, 1, 1]], [[1, 2, 3, 4, 5]])
    verify.check_converted("convert", [], [book("a", 4, 3), book("b", 4, 1)], tflite)
    verify.check_converted("convert", [], [book("a", 4, 2)], tflite)
    verify.check_converted("convert", [], [book("elsewhere", 7, 1)], tflite)
    with pytest.raises(VerifyError, match="'a' had 2 distinct values and has 3"):
        verify.check_converted("convert", [], [book("a", 4, 2), book("b", 4, 1)], tflite)
    with pytest.raises(VerifyError, match="'c' had 4 distinct values and has 5"):
        verify.check_converted("convert", [], [book("c", 5, 4)], tflite)
