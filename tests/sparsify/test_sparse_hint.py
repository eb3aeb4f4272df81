import dataclasses

import nets
import pytest
from sparse_hint_nets import tiny, two_partitions

from edgeprune.devices.boards import Cpu
from edgeprune.models.tflite import graph
from edgeprune.prediction import explain
from edgeprune.sparsify import sparse_hint, sparsify
from edgeprune.sparsify.weights import weights_of

A72 = Cpu("cortex-a72", "aarch64", ())
AVX = Cpu("host", "x86_64", ("avx", "avx2"))


def encoded(found):
    return [t for t in found.tensors if t.encoded]


def test_one_tensor_arms_a_partition_though_dense_is_smaller():
    dense = tiny()
    found = sparsify(dense, A72)
    (one,) = encoded(found)
    assert "lets its clusters run sparse" in one.reason
    assert len(found.expected) == 2
    assert len(found.tflite) - len(dense) < 1000


def test_each_partition_gets_one_hint():
    found = sparsify(two_partitions(), A72)
    assert len(encoded(found)) == 2 and len(found.expected) == 4


def test_the_tensor_that_costs_least_is_taken():
    dense = tiny()
    found = sparsify(dense, A72)
    model = graph.read(dense)
    pointwise = [w for w in weights_of(model, model.subgraphs[0]) if w.data.shape[1:3] == (1, 1)]
    cheapest = min(pointwise, key=lambda weight: weight.growth)
    assert len(pointwise) == 2 and encoded(found)[0].name == cheapest.name
    assert len(found.tflite) - len(dense) <= cheapest.growth


def test_no_hint_is_given_where_the_board_has_no_sparse_kernels():
    dense = tiny()
    assert sparsify(dense, AVX).tflite == dense


def test_a_partition_that_has_a_hint_already_costs_no_more_bytes():
    dense = nets.eligible()
    found = sparsify(dense, A72)
    assert {t.reason for t in encoded(found)} == {"sparse is smaller"}
    assert len(found.tflite) < len(dense)


@pytest.mark.parametrize(("sparse", "kept"), [(120.0, 0), (80.0, 2)])
def test_nothing_is_stored_sparse_where_sparse_kernels_would_be_slower(monkeypatch, sparse, kept):
    def predicted(model, cpu, **rest):
        plan = explain(model, cpu, **rest)
        return dataclasses.replace(plan, cycles=sparse, dense_cycles=100.0)

    monkeypatch.setattr(sparse_hint, "explain", predicted)
    found = sparsify(nets.eligible(), A72)
    assert sum(t.shape[1:3] == (1, 1) for t in encoded(found)) == kept
    assert len(found.expected) == kept
