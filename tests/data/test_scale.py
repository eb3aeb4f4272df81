import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.data.scale import held_range, parse_scale, scaled, scaler
from edgeprune.errors import ConfigError, ModelError

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("text", "onto"),
    [("-1..1", (-1, 1)), ("0..1", (0, 1)), (" 0 .. 255 ", (0, 255)), ("-0.5..0.5", (-0.5, 0.5))],
)
def test_a_range_is_read(text, onto):
    assert parse_scale(text).onto == onto


@pytest.mark.parametrize("text", ["", "1", "1..", "1..0", "1..1", "0-1", "tf", "nan..1", "0..1..2"])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(ConfigError, match=r"--scale must be LOW..HIGH as -1..1, or caffe"):
        parse_scale(text)


@pytest.mark.parametrize(
    ("values", "held"),
    [
        ([0, 1], (0, 1)),
        ([0, 0.1], (0, 1)),
        ([-0.2, 1], (-1, 1)),
        ([0, 1.5], (0, 255)),
        ([0, 255], (0, 255)),
        ([0, 256], (0, 65535)),
        ([-3, 3], None),
        ([0, 1e6], None),
    ],
)
def test_the_narrowest_usual_range_is_taken(values, held):
    assert held_range(np.array(values, np.float32)) == held
    assert held_range(np.array(values[:1], np.float32), np.array(values[1:], np.float32)) == held


@given(st.floats(-300, 300), st.floats(0.5, 300))
def test_ends_meet_ends(low, width):
    ends = scaled(np.float32([0, 255]), parse_scale(f"{low:f}..{low + width:f}"), (0, 255))
    assert np.allclose(ends, [low, low + width], atol=1e-3) and ends.dtype == np.float32


@pytest.mark.parametrize("mode", ["caffe", "torch"])
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_means_of_imagenet_are_those_of_keras(mode, layout):
    from keras.src.applications.imagenet_utils import preprocess_input

    x = PIXELS if layout == "channels_last" else np.moveaxis(PIXELS, 3, 1)
    wanted = preprocess_input(x.copy(), data_format=layout, mode=mode)
    assert np.allclose(scaled(x, parse_scale(mode), (0, 255)), wanted, atol=1e-4)


def test_channels_are_reversed():
    assert np.array_equal(scaled(PIXELS, parse_scale("bgr"), (0, 255)), PIXELS[..., ::-1])


def test_inputs_stay_what_they_are():
    before = PIXELS.copy()
    for text in ("0..1", "caffe", "torch", "bgr"):
        scaled(PIXELS, parse_scale(text), (0, 255))
    assert np.array_equal(PIXELS, before)


def test_inputs_of_no_usual_range_are_refused():
    x = np.float32([[-7, 9]])
    with pytest.raises(ModelError, match=r"needs inputs in one of .* these lie in -7 to 9"):
        scaler(parse_scale("0..1"), x.shape, held_range(x), x)


def test_channels_that_are_not_there_are_refused():
    x = np.zeros((2, 4, 4, 1), np.float32)
    with pytest.raises(ModelError, match="needs images of three channels"):
        scaler(parse_scale("caffe"), x.shape, (0, 255), x)
