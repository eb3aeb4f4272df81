from edgeprune.artifacts.tensor_error import TensorError
from edgeprune.report.tensor_errors import read_tensor_errors, write_tensor_errors

CHANGED = TensorError("conv", "CONV_2D", "int8", 9, 1e-4, 40.0, 0.1, 0, 1, 9, 8)
EXACT = TensorError("dense", "FULLY_CONNECTED", "float32", 9, 0.0, None, 0.0, 0, 0, 9, 9)


def test_they_come_back_as_they_were_written(tmp_path):
    write_tensor_errors([CHANGED, EXACT], tmp_path / "errors.json")
    assert read_tensor_errors(tmp_path / "errors.json") == (CHANGED, EXACT)


def test_where_nothing_was_changed_there_is_no_file(tmp_path):
    write_tensor_errors([EXACT], tmp_path / "errors.json")
    assert not (tmp_path / "errors.json").exists()
    assert read_tensor_errors(tmp_path / "errors.json") == ()
