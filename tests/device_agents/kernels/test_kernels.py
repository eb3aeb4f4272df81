"""Every kernel beside XNNPACK's dense int8, on layers drawn at random: equal, bit for bit."""

import itertools

import kernel_rig
import numpy as np
import pytest
from full_range import examples
from int8_layers import RUNS, Layer, random_layer
from int8_networks import Network

from edgeprune.models.tflite import conv_plan

SPARSITIES = (0.0, 0.3, 0.8, 0.95, 1.0)


@pytest.fixture(scope="module")
def layers():
    """Layers with their cases for the driver."""
    drawn = (
        random_layer(seed, op, SPARSITIES[seed % 5], conv_plan.BLOCK, large=seed % 7 == 0)
        for op in conv_plan.OPERATORS
        for seed in range(examples(40, 2000))
    )
    return [
        (layer, kernel_rig.plan_and_inputs(layer))
        for layer in itertools.chain(drawn, wide_layers(), lowest_layers())
    ]


def wide_layers():
    """Whose packed maps and windows are more than the first cache has room for."""
    for seed, (size, channels, kernel, stride, same) in enumerate(
        [
            ((30, 33), 130, (3, 3), 1, True),
            ((31, 18), 96, (5, 4), 2, True),
            ((23, 40), 68, (2, 7), 3, False),
            ((9, 9), 1030, (3, 1), 1, True),
            ((15, 14), 2048, (1, 1), 1, True),
            ((8, 300), 40, (3, 3), 1, True),
        ]
    ):
        net = Network(seed)
        x = net.source((1, *size, channels), 1 / 64, 3)
        x = net.convolve(x, 21, kernel, stride, same=same)
        inputs = net.chance.integers(-128, 128, (RUNS, *size, channels)).astype(np.int8)
        text = f"{size} x {channels}, kernel {kernel}, stride {stride}"
        yield Layer(text, net.finished([x]), inputs)


def lowest_layers():
    """Whose products are the largest that there are: of -128 and -128, and of -128 and -127."""
    for weight in (-128, -127):
        net = Network(0)
        x = net.source((1, 3, 3, 16), 1.0, 127)
        filters = net.quantized(
            (5, 1, 1, 16), np.ones(5), 0, np.full((5, 1, 1, 16), weight, np.int8)
        )
        biases = net.tensor((5,), "int32", np.zeros(5, np.int32), np.ones(5))
        y = net.make(
            "CONV_2D", [x, filters, biases], (1, 3, 3, 5), 4096.0, 0, 3, padding=0, strideH=1,
            strideW=1, dilationHFactor=1, dilationWFactor=1, fusedActivationFunction=0,
        )  # fmt: skip
        yield Layer(
            f"weights {weight}", net.finished([y]), np.full((RUNS, 3, 3, 16), -128, np.int8)
        )


def check(driver, kernel, layers, folder):
    cases = [case for _, case in layers]
    for (layer, _), found in zip(layers, driver.run(kernel, cases, folder), strict=True):
        assert not isinstance(found, str), (layer.text, found)
        np.testing.assert_array_equal(found, kernel_rig.xnnpack_outputs(layer), layer.text)


def test_every_kernel_of_this_machine_gives_what_xnnpack_gives(layers, tmp_path):
    driver = kernel_rig.host_driver(tmp_path)
    assert "scalar" in driver.kernels
    for kernel in driver.kernels:
        check(driver, kernel, layers, tmp_path)


def test_threads_share_a_layer_without_a_race(layers, tmp_path):
    driver = kernel_rig.threads_driver(tmp_path, 3)
    check(driver, "best", layers, tmp_path)


def test_the_kernels_of_other_x86_processors_give_what_xnnpack_gives(layers, tmp_path):
    driver = kernel_rig.any_x86_driver(tmp_path)
    assert set(kernel_rig.X86) < set(driver.kernels)
    for kernel in kernel_rig.X86:
        check(driver, kernel, layers, tmp_path)


@pytest.mark.device
def test_the_kernel_of_an_emulated_arm_core_gives_what_xnnpack_gives(layers, tmp_path):
    driver = kernel_rig.emulated_driver(tmp_path, "aarch64", "cortex-a76")
    for kernel in kernel_rig.ARM:
        check(driver, kernel, layers, tmp_path)


@pytest.mark.device
@pytest.mark.parametrize(
    ("isa", "core", "runs"),
    [
        ("aarch64", "cortex-a72", ["neon", "scalar"]),
        ("aarch64", "cortex-a76", ["neon_dot", "neon", "scalar"]),
        ("x86_64", "Nehalem", ["scalar"]),
        ("x86_64", "max", ["avx2", "scalar"]),
    ],
)
def test_only_kernels_are_taken_whose_instructions_the_core_has(isa, core, runs, layers, tmp_path):
    driver = kernel_rig.emulated_driver(tmp_path, isa, core)
    assert driver.kernels == runs
    check(driver, "best", layers[:3], tmp_path)
