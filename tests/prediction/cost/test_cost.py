import pytest
from emulated import loaded
from hypothesis import given
from hypothesis import strategies as st
from nets import Net, eligible

from edgeprune.devices.boards import Cpu, load_board
from edgeprune.models.tflite import graph
from edgeprune.prediction import cost, explain
from edgeprune.prediction.cost.kernel_calls import Place, kernel_calls
from edgeprune.prediction.cost.terms import TERMS
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.sparsify import sparsify

A72 = Cpu("cortex-a72", "aarch64", ())
SIZES = st.integers(1, 200)


@pytest.fixture(scope="module")
def table():
    return cost.cost_table(A72)


def read(tflite):
    model = graph.read(tflite)
    reader = Reader(model, model.subgraphs[0])
    return reader, {
        graph.op_name(model, op) + str(i): op for i, op in enumerate(reader.subgraph.operators)
    }


def only(build):
    """Reader and last operator of a net."""
    net = Net()
    tflite = net.build(build(net))
    reader, ops = read(tflite)
    return reader, list(ops.values())[-1]


@pytest.mark.parametrize(
    ("core", "measured"),
    [
        ("cortex-a72", "cortex-a72"),
        ("cortex-a76", "cortex-a76"),
        ("cortex-a77", "cortex-a72"),
        ("cortex-a55", "cortex-a76"),
        ("never-heard-of", "cortex-a76"),
    ],
)
def test_a_core_without_a_table_takes_a_similar_ones_and_the_table_says_which(core, measured):
    assert cost.cost_table(Cpu(core, "aarch64", ())).core == measured


@pytest.mark.parametrize("isa", ["x86_64", "host", "armv7l"])
def test_what_is_no_aarch64_has_no_table(isa):
    assert cost.cost_table(Cpu("any", isa, ("avx",))) is None


@pytest.mark.parametrize("core", ["cortex-a72", "cortex-a76"])
def test_a_table_has_a_number_for_every_loop_of_every_kernel_that_it_lists(core):
    shapes = {  # any arguments will do
        "gemm": (4, 8, 8, (4, 8)),
        "igemm": (4, 8, 8, (4, 8)),
        **dict.fromkeys(("dwconv_chw", "spmm"), (4, 4, 8, 1)),
        "pooling": (2, 2, 8, 9),
        **dict.fromkeys(
            ("dwconv", "hwc2chw", "transpose", "resize", "resize_chw", "pad"), (4, 4, 8)
        ),
        **dict.fromkeys(("int8_gemm", "int8_igemm"), (4, 2, 16, (4, 16))),
        **dict.fromkeys(("int8_dwconv", "int8"), (4, 4, 8)),
    }
    found = cost.cost_table(Cpu(core, "aarch64", ()))
    has_dot_product = core == "cortex-a76"
    families = {family for family in TERMS if has_dot_product or not family.startswith("int8")}
    assert {kernel.split(".")[0] for kernel in found.kernels} == families
    for kernel, bodies in found.kernels.items():
        family = kernel.split(".")[0]
        assert set(bodies) == set(TERMS[family](*shapes.get(family, (4, 8))))
        assert min(bodies.values()) >= 0
        assert sum(bodies.values()) > 0


@given(SIZES, SIZES, st.integers(1, 2000), st.sampled_from([1, 2, 4]))
def test_more_zeros_never_cost_more(pixels, blocks, nonzero, block):
    table = cost.cost_table(A72)
    fewer = cost.spmm(table, pixels, blocks, nonzero - 1, block, 64)
    assert fewer <= cost.spmm(table, pixels, blocks, nonzero, block, 64)


@given(SIZES, SIZES, SIZES)
def test_a_gemm_costs_at_least_one_instruction_for_16_multiplications(rows, depth, columns):
    table = cost.cost_table(A72)
    assert cost.gemm(table, rows, depth, columns) >= rows * depth * columns / 16


@pytest.mark.parametrize(("nchw", "arguments"), [(True, (8, 20)), (False, (20, 8))])
def test_a_squeeze_and_excite_product_is_a_call_a_channel_in_nchw_and_a_pixel_else(nchw, arguments):
    def product(net):
        factors = [net.input(1, 4, 5, 8), net.input(1, 1, 1, 8)]
        return net.op("MUL", factors, (1, 4, 5, 8), "MulOptions")

    reader, op = only(product)
    (call,) = kernel_calls(Place(reader, (1, 4), nchw), op)
    assert call.arguments == arguments


def test_a_fused_pad_and_a_static_operator_cost_nothing(table):
    reader, ops = read(eligible(storage="float16"))
    free = {name for name, op in ops.items() if cost.op_cost(table, reader, op) == 0}
    assert {name.rstrip("0123456789") for name in free} == {"PAD", "DEQUANTIZE"}


def test_a_pad_that_nothing_absorbs_costs_something(table):
    reader, op = only(lambda net: net.relu(net.pad(net.input(1, 4, 4, 8))))
    pad = reader.producers[int(op.inputs[0])]
    assert cost.op_cost(table, reader, pad) > 100


def test_an_operator_that_nobody_measured_is_called_a_rough_guess(table):
    def softplus_like(net):
        x = net.input(1, 4, 4, 8)
        return net.op("SIGN", [x], (1, 4, 4, 8))

    reader, op = only(softplus_like)
    assert cost.operator_cost(table, reader, op).rough == ("SIGN",)
    assert explain(reader.model, load_board("rpi4").cpu).rough == ("SIGN",)
    assert cost.op_cost(table, reader, op) == cost.ROUGH_NODE + cost.ROUGH_ELEMENT * 256


def test_a_model_costs_its_operators_and_an_overhead_for_its_borders(table):
    reader, _ = read(eligible(sparsity=0.0))
    found = explain(reader.model, load_board("rpi4").cpu)
    rest = found.instructions - sum(operator.instructions for operator in found.operators)
    assert rest == pytest.approx(table.inference + 2 * table.border)


def test_shapes_cost_what_operators_of_these_shapes_cost(table):
    reader, ops = read(eligible(size=16))
    by_name = {name.rstrip("0123456789"): op for name, op in reversed(ops.items())}
    stem, depthwise = by_name["CONV_2D"], by_name["DEPTHWISE_CONV_2D"]
    assert cost.op_cost(table, reader, stem, nchw=True) == cost.entry_convolution(table, 8, 8, 16)
    for nchw in (False, True):
        assert cost.op_cost(table, reader, depthwise, nchw=nchw) == cost.depthwise(
            table, 4, 4, 64, 3, 2, nchw=nchw
        )
    reader, op = only(lambda net: net.add(net.input(1, 4, 4, 8), net.input(1, 4, 4, 8)))
    assert cost.op_cost(table, reader, op) == cost.add(table, 128)


@pytest.mark.parametrize("nchw", [True, False])
@pytest.mark.parametrize("elements", [64, 1000, 100_000])
def test_moving_more_elements_costs_more(table, elements, nchw):
    for moved in (
        lambda n: cost.depth_to_space(table, n, nchw=nchw),
        lambda n: cost.space_to_depth(table, n),
        lambda n: cost.strided_slice(table, n, 4),
        lambda n: cost.reverse(table, n, 4),
    ):
        assert 0 < moved(elements) < moved(4 * elements)


@pytest.mark.device
@pytest.mark.parametrize("sparsity", [0.0, 0.9])
def test_a_small_net_costs_what_was_predicted_on_the_emulated_board(tmp_path, sparsity):
    cpu = load_board("rpi4-emulated").cpu
    tflite = sparsify(eligible(sparsity, size=48), cpu).tflite
    totals = []
    for warmup in (1, 5):  # runs that are timed cost more: the agent writes their times down
        with loaded(tflite, tmp_path, count_instructions=True) as session:
            session.time(warmup=warmup, runs=1, max_s=0.0, timeout_s=120.0)
            totals.append(session.close())
    plan = explain(tflite, cpu)
    assert bool(plan.sparse) == (sparsity > 0)
    assert plan.instructions == pytest.approx((totals[1] - totals[0]) / 4, rel=0.03)
