"""What a core does for a network, kept as bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.artifacts.core_work import CoreWork, Misses
from edgeprune.files.decoder_errors import DECODER_ERRORS
from edgeprune.measure.kept_work import KernelWork, NetworkWork, read, written

COUNTS = st.integers(0, 10**15)
WORKS = st.builds(
    CoreWork,
    COUNTS,
    COUNTS,
    st.dictionaries(st.binary(min_size=4, max_size=12), COUNTS, max_size=4),
    st.lists(st.builds(Misses, COUNTS, COUNTS), max_size=3).map(tuple),
)
KERNELS = st.lists(st.builds(KernelWork, st.text(max_size=9), st.none() | WORKS), max_size=3)
NETWORKS = st.builds(NetworkWork, WORKS, KERNELS.map(tuple))


@given(NETWORKS)
def test_what_is_written_is_read_again(work):
    assert read(written(work)) == work


@given(NETWORKS, st.data())
def test_damaged_bytes_are_an_error_of_a_decoder(work, data):
    content = written(work)
    cut = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(DECODER_ERRORS):
        read(content[:cut])
