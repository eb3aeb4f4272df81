import io
import zipfile

import numpy as np
import pytest
from full_range import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeprune.data.npz import npz_headers, read_npz
from edgeprune.errors import ModelError

X, Y = np.zeros((3, 4), np.float32), np.arange(3)


def saved(folder, **arrays):
    np.savez(folder / "d.npz", **arrays)
    return folder / "d.npz"


def refuses(path, line):
    with pytest.raises(ModelError, match=line) as caught:
        read_npz(path)
    assert "\n" not in str(caught.value) and str(caught.value).startswith(str(path))


def test_arrays_are_read_by_their_names(tmp_path):
    file = saved(tmp_path, x_test=X, y_test=Y, x_train=X + 1, y_train=Y, weights=X)
    found = read_npz(file)
    assert list(found.arrays) == ["x_train", "y_train", "x_test", "y_test"]
    assert np.array_equal(found.arrays["x_train"], X + 1)
    assert found.notes == ("ignored arrays of other names: weights",)


def test_targets_of_several_outputs_are_read(tmp_path):
    found = read_npz(saved(tmp_path, **{"x_test": X, "y_test/a": Y, "y_test_b": Y}))
    assert set(found.arrays) == {"x_test", "y_test/a", "y_test_b"}


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("X_test", "x_test"),
        ("xtest", "x_test"),
        ("test_x", "x_test"),
        ("test_images", "x_test"),
        ("testImages", "x_test"),
        ("TEST-DATA", "x_test"),
        ("x_val", "x_test"),
        ("features_validation", "x_test"),
    ],
)
def test_a_name_that_is_almost_right_is_told_the_right_one(tmp_path, name, key):
    refuses(saved(tmp_path, **{name: X, "y_test": Y}), rf"{name} \(did you mean {key}\?\)")


def test_training_labels_of_another_name_are_not_left_out_silently(tmp_path):
    file = saved(tmp_path, x_train=X, Y_Train=Y, x_test=X, y_test=Y)
    refuses(file, r"has no y_train; found Y_Train \(did you mean y_train\?\)")


def test_samples_to_choose_by_are_no_mistake_beside_those_to_score_with(tmp_path):
    file = saved(tmp_path, x_test=X, y_test=Y, x_val=X, y_val=Y)
    assert read_npz(file).notes == ("ignored arrays of other names: x_val, y_val",)


@pytest.mark.parametrize(
    ("y", "line"),
    [
        (np.array(["cat", "dog", "cat"]), "y_test holds text .<U3., expected class numbers: names"),
        (np.array([b"cat", b"dog", b"cat"]), "y_test holds text .|S3."),
        (np.array([1, None, "a"], object), "y_test holds Python objects, which could run code"),
        (Y * 1j, "y_test holds complex numbers .complex128., expected numbers"),
        (np.array(["2026-01-01"] * 3, "M8[D]"), "y_test holds dates"),
        (np.zeros(3, [("a", "f4"), ("b", "i4")]), "y_test holds records or raw bytes"),
        (np.zeros(3, "V2"), "y_test holds records or raw bytes"),
    ],
)
def test_what_are_no_numbers_is_refused_by_name(tmp_path, y, line):
    refuses(saved(tmp_path, x_test=X, y_test=y), line)


def test_one_array_alone_is_told_how_to_be_saved(tmp_path):
    np.save(tmp_path / "x.npy", X)
    refuses(tmp_path / "x.npy", "is one .npy array; save all with np.savez")
    refuses(saved(tmp_path, arr_0=X, arr_1=Y), "has no x_test to score with; found arr_0, arr_1")


def header(shape, descr="<f4"):
    whole = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        whole, {"shape": shape, "fortran_order": False, "descr": descr}
    )
    return whole.getvalue()


def test_arrays_that_claim_more_than_they_hold_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("x_test.npy", header((1 << 40, 4)) + bytes(16))
    refuses(tmp_path / "d.npz", "is damaged: x_test has the shape")


def test_more_than_memory_is_refused_by_its_size_without_unpacking_it(tmp_path):
    """12 MB of zeros in 12 kB; the sizes in the archive then say a million times as much."""
    with zipfile.ZipFile(tmp_path / "d.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        content = header((3_000_000_000_000, 1)) + bytes(12_000_000)
        archive.writestr("x_test.npy", content)
    raw = (tmp_path / "d.npz").read_bytes()
    claimed = (0xFFFFFFF0).to_bytes(4, "little")
    (tmp_path / "d.npz").write_bytes(raw.replace(len(content).to_bytes(4, "little"), claimed))
    with pytest.raises(ModelError, match=r"is damaged|of memory"):
        npz_headers(tmp_path / "d.npz")
    np.savez_compressed(tmp_path / "e.npz", x_test=np.zeros((1, 40_000_000), np.uint8))
    assert (tmp_path / "e.npz").stat().st_size < 100_000
    assert npz_headers(tmp_path / "e.npz")["x_test"].shape == (1, 40_000_000)


def test_too_much_for_the_memory_at_hand_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("edgeprune.data.memory._machine_bytes", lambda: 1000.0)
    refuses(
        saved(tmp_path, x_test=np.zeros((200, 4), np.float32)), "200 samples need 3.2 kB of mem"
    )


@pytest.mark.parametrize("shape", [(-1, 4), (2.5,), ("a",), (True,), (10**30,)])
def test_odd_shapes_are_refused(tmp_path, shape):
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("x_test.npy", header(shape) + bytes(160))
    refuses(tmp_path / "d.npz", "cannot be read|is damaged")


def whole():
    made = io.BytesIO()
    np.savez(made, x_train=X, y_train=Y, x_test=X, y_test=Y)
    return made.getvalue()


@settings(max_examples=examples(75, 300), deadline=None)
@given(st.data())
def test_damaged_files_are_read_or_refused_in_one_line(tmp_path_factory, data):
    content = bytearray(whole())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path_factory.getbasetemp() / "damaged.npz"
    file.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        read_npz(file)
    except ModelError as error:
        assert "\n" not in str(error)


def test_targets_by_the_numbers_of_outputs_are_no_mistyped_names(tmp_path):
    x, y = np.zeros((3, 4)), np.zeros(3)
    names = ("y_train_0", "y_test_0", "y_train_1", "y_test_1", "y_test/2")
    np.savez(tmp_path / "a.npz", x_train=x, x_test=x, **dict.fromkeys(names, y))
    assert set(names) < set(npz_headers(tmp_path / "a.npz"))
