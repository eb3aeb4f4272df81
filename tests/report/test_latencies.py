import numpy as np

from edgeprune.artifacts.measurement import Measured, Session
from edgeprune.report.latencies import FILE_NAME, write_latencies


def measured(name, *sessions):
    return Measured(name, sessions, None, None, (), None, None)


def test_every_time_of_every_session_comes_back(tmp_path):
    long = np.arange(1, 5001, dtype=np.int64)
    cut = Session((1, 3001), 1, 1, None, runs=5000, every_ns=long)
    whole = Session((7, 8, 9), 1, 1, None)
    write_latencies([measured("dense", whole, cut), measured("deployed", whole)], tmp_path)
    with np.load(tmp_path / FILE_NAME) as found:
        assert sorted(found) == ["dense/1", "dense/2", "deployed/1"]
        assert found["dense/2"].tolist() == long.tolist()
        assert found["dense/1"].tolist() == found["deployed/1"].tolist() == [7, 8, 9]


def test_nothing_is_written_where_the_result_has_them_all(tmp_path):
    write_latencies([measured("dense", Session((7, 8), 1, 1, None))], tmp_path)
    assert not list(tmp_path.iterdir())
