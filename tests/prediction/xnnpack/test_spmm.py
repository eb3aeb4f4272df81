import emulated
import numpy as np
import pytest
from full_range import also
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from nets import Net

from edgeprune.devices.boards import Cpu
from edgeprune.prediction import explain
from edgeprune.prediction.xnnpack.spmm import SpmmPlan, analyse, has_sparse_kernels, microkernel
from edgeprune.sparsify import sparsify

A72 = Cpu("cortex-a72", "aarch64", ("asimd",))


def counted_one_by_one(weights):
    """The runtime's rule, read aloud: whole blocks first, what is left over weight by weight."""
    channels, depth = weights.shape
    total = sum(int(w != 0) for row in weights for w in row)
    for block, least in ((4, 3.6), (2, 1.8)):
        blocks = filled = loose = 0
        for first in range(0, channels, block):
            rows = weights[first : first + block]
            for column in range(weights.shape[1]):
                found = sum(int(row[column] != 0) for row in rows)
                if len(rows) == block:
                    blocks += found > 0
                    filled += found
                else:
                    loose += found
        if round(filled * 10) >= round(blocks * least * 10):
            return SpmmPlan(
                block, total, blocks + loose, channels // block + channels % block, depth
            )
    return SpmmPlan(1, total, total, channels, depth)


@st.composite
def matrices(draw):
    """Blocks of any size with holes in them, so that each side of each limit is met."""
    channels, depth = draw(st.integers(1, 23)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    block = draw(st.sampled_from([1, 2, 4]))
    kept = rng.random((-(-channels // block), depth)) < draw(st.floats(0, 1))
    used = np.repeat(kept, block, axis=0)[:channels]
    used &= rng.random(used.shape) >= draw(st.sampled_from([0.0, 0.05, 0.1, 0.15, 0.5]))
    weights = np.where(used, rng.normal(size=used.shape), 0)
    return weights.astype(draw(st.sampled_from([np.float32, np.float16])))


@given(matrices())
def test_every_count_is_the_runtimes_own(weights):
    assert analyse(weights) == counted_one_by_one(weights)


@given(arrays.arrays(np.int8, st.tuples(st.integers(1, 12), st.integers(1, 6))))
def test_integers_are_counted_alike(weights):
    assert analyse(weights) == counted_one_by_one(weights)


@pytest.mark.parametrize("block, holes, chosen", [(4, 4, 4), (4, 5, 1), (2, 2, 2), (2, 3, 1)])
def test_nine_tenths_of_a_block_must_be_used(block, holes, chosen):
    weights = np.zeros((block * 2, 10), np.float32)
    weights[:block] = 1  # ten blocks of which a tenth of the weights may be missing
    weights[np.arange(holes) % block, np.arange(holes)] = 0
    assert analyse(weights).block == chosen


def test_blocks_of_four_are_preferred_to_blocks_of_two():
    assert analyse(np.ones((8, 8), np.float32)) == SpmmPlan(4, 64, 16, 2, 8)


@pytest.mark.parametrize("weights", [np.zeros((8, 8)), np.ones((3, 8))])
def test_a_matrix_without_a_used_block_runs_the_kernel_for_four(weights):
    assert analyse(weights).block == 4


def test_what_fills_no_block_is_counted_one_by_one():
    assert analyse(np.ones((7, 5), np.float32)) == SpmmPlan(4, 35, 5 + 15, 1 + 3, 5)


def test_negative_zeros_are_zeros_and_nans_are_not():
    weights = np.array([[-0.0, np.nan]] * 2, np.float32)
    assert analyse(weights).nonzeros == 2


@pytest.mark.parametrize(
    "cpu, block, name",
    [
        (A72, 1, "32x1__neonfma_pipelined"),
        (A72, 2, "32x2__aarch64_neonfma"),
        (Cpu("old", "x86_64", ("sse4_1",)), 4, "8x4__scalar"),
        (Cpu("host", "x86_64", ("sse4_1", "avx")), 1, ""),
        (Cpu("else", "riscv64", ()), 1, ""),
    ],
)
def test_each_cpu_has_its_microkernels(cpu, block, name):
    assert microkernel(cpu, block) == name
    assert has_sparse_kernels(cpu) == bool(name)


def blocked(block, storage):
    """Four pointwise layers, 90 % zeros in blocks of output channels."""

    class Blocked(Net):
        def weights(self, shape, sparsity=0.0):
            values = super().weights(shape)
            if sparsity:
                kept = self.rng.random((shape[0] // block, shape[-1])) < 1 - sparsity
                values *= np.repeat(kept, block, axis=0).reshape(shape)
            return values

    net = Blocked()
    x = net.conv(net.pad(net.input(1, 32, 32, 3)), 16, kernel=3, stride=2, padding="VALID")
    for _ in range(4):
        x = net.conv(x, 64, sparsity=0.9, storage=storage)
    return net.build(net.mean(x))


def instructions(tflite, folder):
    """Counted on the emulated board, for one inference."""
    totals = []
    for runs in (1, 11):
        with emulated.loaded(tflite, folder, count_instructions=True) as session:
            session.time(warmup=1, runs=runs, max_s=0.0, timeout_s=60.0)
            totals.append(session.close())
    return (totals[1] - totals[0]) / 10


@pytest.mark.device
@pytest.mark.parametrize(
    ("block", "storage"),
    [
        (1, "float16"),
        (4, "int8"),
        *(also(*case) for case in ((1, "int8"), (2, "float16"), (2, "int8"), (4, "float16"))),
    ],
)
def test_weights_in_few_bits_run_the_same_kernel_as_floats(block, storage, tmp_path):
    files = [sparsify(blocked(block, kept), A72).tflite for kept in ("float32", storage)]
    assert {layer.block for file in files for layer in explain(file, A72).layers} == {block}
    floats, narrow = (instructions(file, tmp_path) for file in files)
    assert narrow == pytest.approx(floats, rel=0.01)
