"""The simulated caches beside a plain model of them."""

import ctypes

import agent_rig
import compiled
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.files import paths

SOURCE = paths.shipped("device_agents") / "qemu" / "data_caches.c"
LINE = 64


class Misses(ctypes.Structure):
    _fields_ = (("streamed", ctypes.c_uint64), ("other", ctypes.c_uint64))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    flags = ["gcc", "-std=c11", "-shared", "-fPIC", "-O1", *agent_rig.WARNINGS]
    file = compiled.program(tmp_path_factory.mktemp("caches"), "caches.so", flags, [SOURCE])
    found = ctypes.CDLL(str(file))
    found.data_caches_add.restype = ctypes.c_bool
    found.data_caches_add.argtypes = (ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64)
    sizes = (ctypes.c_uint64, ctypes.c_uint64)
    found.data_caches_touch.argtypes = (ctypes.c_void_p, *sizes, ctypes.POINTER(Misses))
    return found


class Caches:
    def __init__(self, library, *levels):
        self.library, self.memory = library, ctypes.create_string_buffer(1024)
        self.misses = (Misses * 3)()
        for size, ways in levels:
            assert library.data_caches_add(self.memory, size, ways)

    def touch(self, address, size=4):
        self.library.data_caches_touch(self.memory, address, size, self.misses)

    def counts(self):
        return [(one.streamed, one.other) for one in self.misses]


class PlainLevel:
    """Sets as lists of lines, the most recently used one last."""

    def __init__(self, size, ways):
        self.ways, self.sets = ways, [[] for _ in range(size // LINE // ways)]
        self.misses = 0

    def touch(self, line):
        lines = self.sets[line % len(self.sets)]
        is_there = line in lines
        if is_there:
            lines.remove(line)
        lines.append(line)
        del lines[: -self.ways]
        self.misses += not is_there
        return is_there


ADDRESSES = st.lists(st.tuples(st.integers(0, 5000), st.sampled_from([1, 4, 8, 16])), max_size=300)


@given(ADDRESSES)
def test_misses_are_those_of_a_plain_model_of_two_levels(library, accesses):
    caches = Caches(library, (8 * LINE, 2), (32 * LINE, 4))
    first, second = PlainLevel(8 * LINE, 2), PlainLevel(32 * LINE, 4)
    for address, size in accesses:
        caches.touch(address, size)
        for line in dict.fromkeys((address // LINE, (address + size - 1) // LINE)):
            first.touch(line) or second.touch(line)
    assert [sum(one) for one in caches.counts()] == [first.misses, second.misses, 0]


def test_lines_in_a_row_are_streamed_and_scattered_ones_are_not(library):
    caches = Caches(library, (64 * LINE, 4), (128 * LINE, 4))
    for line in range(1000, 1100):
        caches.touch(line * LINE)
    assert caches.counts()[:2] == [(99, 1)] * 2
    scattered = Caches(library, (64 * LINE, 4))
    for line in range(0, 100_000, 1000):
        scattered.touch(line * LINE)
    assert scattered.counts()[0] == (0, 100)


def test_sixteen_streams_are_followed_at_once_and_seventeen_are_not(library):
    for streams, expected in ((16, (16 * 9, 16)), (17, (0, 170))):
        caches = Caches(library, (64 * LINE, 4))
        for step in range(10):
            for stream in range(streams):
                caches.touch((1_000_000 * (1 + stream) + step) * LINE)
        assert caches.counts()[0] == expected


def test_what_the_first_level_has_the_second_is_not_asked_for(library):
    caches = Caches(library, (8 * LINE, 2), (16 * LINE, 2))
    for _ in range(5):
        caches.touch(0)
        caches.touch(10 * LINE)
    assert [sum(one) for one in caches.counts()] == [2, 2, 0]


@pytest.mark.parametrize(
    ("size", "ways"), [(0, 1), (4096, 0), (4096 + LINE, 2), (2 << 30, 4), (65 * LINE, 65)]
)
def test_a_cache_that_cannot_be_is_refused(library, size, ways):
    assert not library.data_caches_add(ctypes.create_string_buffer(1024), size, ways)


def test_a_fourth_level_is_refused(library):
    caches = Caches(library, (8 * LINE, 2), (16 * LINE, 2), (32 * LINE, 2))
    assert not library.data_caches_add(caches.memory, 64 * LINE, 2)
