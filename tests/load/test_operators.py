"""The list of operators, against TensorFlow's own registry."""

from edgeprune.load.operators import SAVER, STATEFUL, STATELESS, operator_list
from edgeprune.models.keras.flavours import import_tensorflow


def registered():
    import_tensorflow()
    from tensorflow.python.framework import op_def_registry

    return op_def_registry.get


def test_every_listed_operator_exists():
    get = registered()
    names = operator_list(STATELESS) | operator_list(STATEFUL) | operator_list(SAVER)
    assert [name for name in sorted(names) if get(name) is None] == []


def test_an_operator_with_a_state_is_listed_as_such():
    """So that each of them is on the list because somebody has read what it does."""
    get = registered()
    calls = {"Case", "If", "StatefulPartitionedCall", "While"}
    stateful = {name for name in operator_list(STATELESS) if get(name).is_stateful}
    assert stateful == calls


def test_nothing_that_touches_files_python_or_other_processes_is_listed():
    names = operator_list(STATELESS) | operator_list(STATEFUL)
    words = """
        Abort Barrier Candidate Checkpoint Collective Custom Dataset Debug Decode File Immutable
        Iterator Load Print Proto PyFunc Queue Reader Recv Remote Restore Rpc Save Send Summary
        TPU Table Tpu Xla
    """.split()
    found = [name for name in sorted(names) if any(word in name for word in words)]
    assert found == ["IteratorGetNext"]  # of an iterator that nothing listed can make
    assert not names & operator_list(SAVER)
