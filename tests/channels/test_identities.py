import networkx as nx
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.channels.identities import Identities

pairs = st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30)


@given(pairs, st.lists(st.integers(0, 19), max_size=4))
def test_joined_channels_have_one_root_and_share_what_fixes_them(joins, fixed):
    identities = Identities()
    ids = identities.new(20)
    half = len(joins) // 2
    for a, b in joins[:half]:
        identities.unify(ids[[a]], ids[[b]])
    for one in fixed:
        identities.fix(ids[[one]], f"because of {one}")
    for a, b in joins[half:]:
        identities.unify(ids[[a]], ids[[b]])
    reference = nx.Graph()
    reference.add_nodes_from(range(20))
    reference.add_edges_from(joins)
    roots, reasons = identities.roots(), identities.reasons()
    for part in nx.connected_components(reference):
        members = sorted(part)
        assert len(set(roots[members])) == 1
        assert (roots[members[0]] in reasons) == bool(part & set(fixed))
    assert len(set(roots)) == nx.number_connected_components(reference)


def test_the_first_reason_is_kept():
    identities = Identities()
    ids = identities.new(2)
    identities.fix(ids, "first")
    identities.fix(ids, "second")
    identities.unify(ids[:1], ids[1:])
    assert identities.reasons() == {0: "first"}
    assert np.array_equal(identities.roots(), [0, 0])
