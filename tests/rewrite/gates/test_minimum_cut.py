import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.rewrite.gates.minimum_cut import FlowNetwork

NODES = st.sampled_from(["s", "t", *"abcdefgh"])
EDGES = st.lists(st.tuples(NODES, NODES, st.one_of(st.none(), st.integers(0, 20))), max_size=40)


@given(EDGES)
def test_the_parts_are_those_of_a_library(edges):
    ours, theirs = FlowNetwork(), networkx.DiGraph()
    theirs.add_nodes_from("st")
    for start, end, cost in edges:
        if start == end:
            continue
        ours.add(start, end, cost)
        known = theirs.get_edge_data(start, end, {"capacity": 0}).get("capacity")
        if cost is None or known is None:
            theirs.remove_edges_from([(start, end)])
            theirs.add_edge(start, end)
        else:
            theirs.add_edge(start, end, capacity=known + cost)
    try:
        _, (side, _) = networkx.minimum_cut(theirs, "s", "t")
    except networkx.NetworkXUnbounded:
        with pytest.raises(ValueError, match="must not be cut"):
            ours.source_side("s", "t")
    else:
        assert ours.source_side("s", "t") == side


def test_of_equal_cuts_the_one_nearest_the_sink_is_taken():
    network = FlowNetwork()
    for start, end in ("sa", "ab", "bt"):
        network.add(start, end, 3)
    assert network.source_side("s", "t") == {"s", "a", "b"}
