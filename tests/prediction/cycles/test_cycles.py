"""Estimated cycles: what they are made of, and the cores that have them."""

import dataclasses

import pytest

from edgeprune.artifacts.core_work import Cache, CoreWork, Misses
from edgeprune.devices import cpuinfo
from edgeprune.devices.boards import board_names, load_board
from edgeprune.errors import ConfigError
from edgeprune.files.tables import read_toml
from edgeprune.prediction import cycles
from edgeprune.prediction.cycles import Fit, core, core_names, estimate, llvm, load_core
from edgeprune.prediction.cycles.blocks import block_cycles, digest_of

KNOWN, UNKNOWN = bytes(8), bytes(range(4))
NO_MISSES = (Misses(0, 0), Misses(0, 0))
PLAIN = Fit(1.0, 1.0, 1.0, "test")


@pytest.fixture
def a72(monkeypatch):
    """Its caches and memory in round numbers, and one known block of two instructions."""
    monkeypatch.setattr(cycles, "block_cycles", lambda name: {digest_of(KNOWN): 3.0})
    monkeypatch.setattr(llvm, "is_installed", lambda: False)
    return dataclasses.replace(
        load_core("cortex-a72"),
        clock_hz=2_000_000_000,
        l2=core.Level(1 << 20, 16, latency_cycles=20.0, line_cycles=8.0),
        memory=core.Memory(latency_ns=100.0, line_ns=15.0),
    )


def work(blocks, misses=NO_MISSES):
    instructions = sum(len(code) // 4 * times for code, times in blocks.items())
    return CoreWork(instructions, 0, blocks, misses)


def test_blocks_and_lines_are_added_at_their_costs(a72):
    found = estimate(work({KNOWN: 1000}, (Misses(50, 20), Misses(10, 5))), a72, PLAIN)
    assert found.pipeline_cycles == 3000
    assert found.streamed_cycles == 40 * 8 + 10 * 30
    assert found.other_cycles == 15 * 20 + 5 * 200
    assert found.cycles == 3000 + 620 + 1300
    assert found.latency_us == pytest.approx(4920 / 2000)
    assert (found.clock_hz, found.error, found.unknown_share) == (2_000_000_000, None, 0.0)


def test_a_third_level_lies_between_the_second_and_memory(a72):
    deeper = dataclasses.replace(a72, l3=core.Level(4 << 20, 16, 40.0, 10.0))
    misses = (Misses(50, 20), Misses(10, 5), Misses(4, 2))
    found = estimate(work({KNOWN: 1}, misses), deeper, PLAIN)
    assert found.streamed_cycles == 40 * 8 + 6 * 10 + 4 * 30
    assert found.other_cycles == 15 * 20 + 3 * 40 + 2 * 200
    assert deeper.caches[2] == Cache(4 << 20, 16)


def test_what_is_fitted_scales_each_part(a72):
    fit = Fit(pipeline=0.5, streamed=2.0, other=0.25, source="test", error=0.2)
    found = estimate(work({KNOWN: 1000}, (Misses(50, 20), Misses(0, 0))), a72, fit)
    assert found.cycles == 1500 + 2 * 400 + 100
    assert found.error == 0.2 and found.pipeline_cycles == 3000


def test_unknown_blocks_are_taken_at_the_mean_of_the_others_and_told(a72):
    found = estimate(work({KNOWN: 90, UNKNOWN: 20}), a72, PLAIN)
    assert found.unknown_share == 0.1
    assert found.cycles == 300


def test_unknown_blocks_are_computed_where_llvm_is_installed(a72, monkeypatch):
    monkeypatch.setattr(llvm, "is_installed", lambda: True)
    monkeypatch.setattr(llvm, "cycles_of", lambda blocks, name: [7.0 for _ in blocks])
    found = estimate(work({KNOWN: 90, UNKNOWN: 20}), a72, PLAIN)
    assert (found.cycles, found.unknown_share) == (270 + 140, 0.0)


def test_code_of_which_nothing_is_known_is_no_estimate(a72):
    with pytest.raises(ConfigError, match="on cortex-a72: apt-get install llvm-19"):
        estimate(work({UNKNOWN: 1}), a72)


def test_other_levels_than_the_core_has_are_refused(a72):
    with pytest.raises(ValueError, match="3 levels of cache, expected 2"):
        estimate(work({KNOWN: 1}, (*NO_MISSES, Misses(0, 0))), a72)


def test_a_core_without_a_file_has_no_estimate():
    assert load_core("cortex-z9") is None


@pytest.mark.parametrize("name", core_names())
def test_a_core_is_whole_and_each_of_its_numbers_has_a_source(name):
    found = load_core(name)
    assert found.name == name in cpuinfo.PARTS
    raw = read_toml(core._CORES / f"{name}.toml")
    sources = [key for keys in found.source for key in keys.split(", ")]
    assert len(sources) == len(set(sources))
    for key, value in raw.items():
        if isinstance(value, dict) and key != "source":
            numbers = [f"{key}.{name}" for name in value]
            assert key in sources or set(numbers) <= set(sources)
    assert "clock_hz" in sources
    assert {key.split(".")[0] for key in sources} <= raw.keys()
    assert found.fit.pipeline > 0 and found.fit.streamed >= 0 and found.fit.other >= 0
    for cache in found.caches:
        assert cache.bytes % (64 * cache.ways) == 0
    sizes = [cache.bytes for cache in found.caches]
    assert sizes == sorted(sizes)
    assert all(0 < one < 1e5 for one in block_cycles(found.pipelines).values())


@pytest.mark.parametrize("name", board_names())
def test_every_emulated_core_has_an_estimate(name):
    board = load_board(name)
    assert board.kind != "emulated" or load_core(board.cpu.core) is not None


@pytest.mark.device
def test_the_table_is_what_llvm_says():
    add_and_return = bytes.fromhex("0000018bc0035fd6")
    dependent = bytes.fromhex("0000018b") * 8
    short, long = llvm.cycles_of([add_and_return, dependent], "neoverse-n1")
    assert 1.0 <= short < 1.1 and 8.0 <= long < 8.1
