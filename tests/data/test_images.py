import numpy as np
import pytest
from PIL import Image

from edgeprune.data.images import read_images
from edgeprune.errors import ModelError

SHAPE = (6, 8, 3)


def fill(folder, classes=("cat", "dog"), count=5, size=(8, 6)):
    """Images of one grey a class: 50, 100 and so on, in the order of ``classes``."""
    for k, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", size, (50 * (k + 1),) * 3).save(folder / name / f"{i}.png")


def read(folder, shape=SHAPE, seed=0):
    return read_images(folder, shape, seed)


def refuses(folder, line, shape=SHAPE):
    with pytest.raises(ModelError, match=line) as caught:
        read(folder, shape)
    assert "\n" not in str(caught.value) and str(caught.value).startswith(str(folder))


def labels_are_right(found, part="test"):
    x, y = found.arrays[f"x_{part}"], found.arrays[f"y_{part}"]
    return np.array_equal(x[:, 0, 0, 0], 50.0 * (y + 1))


def test_a_folder_of_classes_is_split_by_the_seed(tmp_path):
    fill(tmp_path)
    found = read(tmp_path)
    assert found.arrays["x_train"].shape == (8, *SHAPE) and len(found.arrays["x_test"]) == 2
    assert labels_are_right(found, "train") and labels_are_right(found)
    assert np.array_equal(read(tmp_path).arrays["y_train"], found.arrays["y_train"])
    orders = {tuple(read(tmp_path, seed=k).arrays["y_train"]) for k in range(5)}
    assert len(orders) > 1
    assert "20% of the images" in found.notes[1]


@pytest.mark.parametrize("train", ["train", "Training", "TRAIN", "training_set", "train-data"])
@pytest.mark.parametrize("test", ["test", "Testing", "val", "VALID", "validation", "Test Set"])
def test_parts_go_by_many_names(tmp_path, train, test):
    fill(tmp_path / train, count=3)
    fill(tmp_path / test, count=1)
    found = read(tmp_path)
    assert found.classes == ("cat", "dog")
    assert found.arrays["y_train"].tolist() == [0, 0, 0, 1, 1, 1]
    assert found.arrays["y_test"].tolist() == [0, 1]
    assert found.notes[0] == f"2 classes: cat 3+1, dog 3+1 ({train}+{test}); class 0 = cat"
    is_taken = any(f"{test} is scored in its place" in line for line in found.notes)
    assert is_taken == test.lower().startswith("val")


def test_a_validation_part_beside_test_is_held_out_in_training_and_that_is_said(tmp_path):
    for part, count in (("train", 4), ("valid", 1), ("test", 2)):
        fill(tmp_path / part, count=count)
    found = read(tmp_path)
    assert found.arrays["y_train"].tolist() == [0] * 4 + [1] * 4 + [0, 1]
    assert found.held_out == 2 and len(found.arrays["x_test"]) == 4
    assert labels_are_right(found, "train") and labels_are_right(found)
    assert found.notes[0].startswith("2 classes: cat 4+1+2, dog 4+1+2 (train+valid+test)")
    assert found.notes[1] == "valid is held out in training, and test is scored"
    fill(tmp_path / "valid", classes=("bird",))
    refuses(tmp_path, "train and valid have different classes: bird only in valid")


def test_training_images_alone_are_split(tmp_path):
    fill(tmp_path / "train")
    found = read(tmp_path)
    assert (len(found.arrays["x_train"]), len(found.arrays["x_test"])) == (8, 2)


def test_test_images_alone_are_scored(tmp_path):
    fill(tmp_path / "Validation")
    found = read(tmp_path)
    assert "x_train" not in found.arrays and labels_are_right(found)
    assert any("nothing can be trained" in line for line in found.notes)


def test_hidden_names_and_what_is_no_image_count_for_nothing(tmp_path):
    for part in ("train", "test"):
        fill(tmp_path / part)
        fill(tmp_path / part, classes=(".ipynb_checkpoints", "__MACOSX", "@eaDir", ".git"))
        fill(tmp_path / part / "cat" / ".ipynb_checkpoints", classes=("x",))
        (tmp_path / part / ".DS_Store").write_bytes(b"")
        (tmp_path / part / "dog" / "Thumbs.db").write_bytes(b"")
        (tmp_path / part / "dog" / "._0.png").write_bytes(b"")
        (tmp_path / part / "dog" / "labels.TXT").write_bytes(b"")
    fill(tmp_path, classes=(".git",))
    found = read(tmp_path)
    assert found.notes[0].startswith("2 classes: cat 5+5, dog 5+5")
    assert found.notes[1:] == ("ignored files that are no images: 2 .txt",)


def test_endings_of_any_case_and_deeper_folders_are_read(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "test", count=1)
    fill(tmp_path / "train" / "cat" / "more", classes=("deep", "deeper"), count=2)
    Image.new("RGB", (8, 6)).save(tmp_path / "train" / "dog" / "x.TIFF")
    Image.new("RGB", (8, 6)).save(tmp_path / "train" / "dog" / "x.JPG")
    assert read(tmp_path).notes[0].startswith("2 classes: cat 9+1, dog 7+1")


def test_links_are_followed_and_loops_end(tmp_path):
    fill(tmp_path / "store")
    for name in ("cat", "dog"):
        (tmp_path / "d" / "train").mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / "train" / name).symlink_to(tmp_path / "store" / name)
    (tmp_path / "store" / "cat" / "again").symlink_to(tmp_path / "store" / "cat")
    (tmp_path / "store" / "cat" / "up").symlink_to(tmp_path / "store" / "dog")
    (tmp_path / "store" / "dog" / "self").symlink_to("self")
    assert read(tmp_path / "d").notes[0].startswith("2 classes: cat 8+2")


def test_channels_may_come_first(tmp_path):
    fill(tmp_path)
    found = read(tmp_path, (3, 6, 8))
    assert found.arrays["x_test"].shape == (2, 3, 6, 8) and labels_are_right(found)
    assert read(tmp_path, (6, 8)).arrays["x_test"].shape == (2, 6, 8)


def test_images_of_32_bits_are_scaled_alike(tmp_path):
    for name, largest in (("a", 1000), ("b", 65535)):
        (tmp_path / "test" / name).mkdir(parents=True)
        Image.fromarray(np.full((6, 8), largest, np.int32)).save(tmp_path / "test" / name / "0.tif")
    values = read(tmp_path).arrays["x_test"][:, 0, 0, 0]
    assert np.allclose(values, [1000 / 257, 255])
    Image.fromarray(np.full((6, 8), 70000, np.int32)).save(tmp_path / "test" / "a" / "1.tif")
    refuses(tmp_path, "32 bits hold numbers up to 70000, and nothing says which one is white")


def test_a_class_may_be_called_train(tmp_path):
    fill(tmp_path, classes=("car", "plane", "train"))
    found = read(tmp_path)
    assert found.classes == ("car", "plane", "train")
    assert any("train is taken for a class" in line for line in found.notes)


@pytest.mark.parametrize(
    ("folders", "line"),
    [
        ([], "holds no folders: expected one per class"),
        (["train/cat", "train/dog", "test/cat"], "one folder, cat: expected one per class"),
        (["train/a", "train/b", "test/a", "test/c"], "b only in train; c only in test"),
        (["train/a", "train/b", "train/C", "test/a", "test/b"], "different classes: C only in"),
        (["train/a", "train/b", "val/a", "val/b", "a", "b"], "beside them a, b with images"),
        (["cat", "dog", "test"], "holds parts .test. and beside them cat, dog with images"),
        (["train", "test"], "test, train holds no folders"),
        (["Train/a", "Train/b", "training/a", "training/b"], "both the part train"),
        (["seg_train/a", "seg_train/b", "seg_test/a", "seg_test/b"], "look like the parts"),
        (["cat/train", "cat/test", "dog/train", "dog/test"], "above the classes, as train/cat"),
        (["images", "masks"], "masks and boxes are not read from folders"),
        (["train/images", "train/labels"], "masks and boxes are not read from folders"),
        (["archive/cat", "archive/dog"], "did you mean .*archive"),
    ],
)
def test_folders_that_can_mean_two_things_are_refused(tmp_path, folders, line):
    for name in folders:
        (tmp_path / name).mkdir(parents=True)
        Image.new("RGB", (8, 6)).save(tmp_path / name / "0.png")
    with pytest.raises(ModelError, match=line) as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)


def test_classes_without_images_are_named(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "test")
    (tmp_path / "train" / "bird").mkdir()
    (tmp_path / "train" / "bird" / "1.heic").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"no images in bird \(but 1 .heic\): a class needs some"):
        read(tmp_path)


def test_broken_images_are_named_and_counted(tmp_path):
    fill(tmp_path)
    for k in range(5):
        (tmp_path / "cat" / f"x{k}.jpg").write_bytes(b"")
    refuses(tmp_path, r"5 of 15 images cannot be read: cat/x\d.jpg \(empty\), .* and 2 more")


@pytest.mark.parametrize("shape", [(7,), (6, 8, 5), (6, 8, 3, 1), ()])
def test_models_that_take_no_images_are_told_so(tmp_path, shape):
    fill(tmp_path)
    refuses(tmp_path, "images do not fit an input of shape", shape)


def test_more_images_than_memory_are_refused_before_any_is_read(tmp_path):
    fill(tmp_path)
    refuses(tmp_path, "10 images of 900000x900000x3 need 97.2 TB of memory", (900000, 900000, 3))


def test_odd_images_are_counted(tmp_path):
    fill(tmp_path)
    Image.new("RGBA", (8, 6), (0, 0, 0, 0)).save(tmp_path / "cat" / "clear.png")
    assert "1 images are transparent: laid over white" in read(tmp_path).notes


def test_names_that_would_write_on_the_screen_are_shown_harmless(tmp_path):
    from edgeprune.data.early import check_data
    from edgeprune.data.read import read as read_any

    fill(tmp_path / "d", classes=("cat\x1b[2J", "dog\n"))
    found = read_any(str(tmp_path / "d"), SHAPE, 0, lambda line: None)
    assert found.classes == ("cat?[2J", "dog?") and "\x1b" not in "".join(found.notes)
    (tmp_path / "d" / "empty\x1b[31m\n").mkdir()
    with pytest.raises(ModelError, match=r"no images in empty\?\[31m\?") as caught:
        check_data(str(tmp_path / "d"))
    assert str(caught.value).isprintable()
