import io
import struct

import numpy as np
import pytest
from full_range import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgeprune.data.picture import Unreadable, read_picture, resized

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 8, 3)).astype(np.uint8)
GREY = np.linspace(0, 65535, 48).reshape(6, 8).astype(np.uint16)


def saved(folder, image, name="a.png", **options):
    image.save(folder / name, **options)
    return folder / name


def pixels(file, channels=3, height=6, width=8):
    return read_picture(file, height, width, channels).pixels


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp", "a.ppm", "a.tga", "A.PNG"])
def test_lossless_files_give_their_own_pixels(tmp_path, name):
    options = {"lossless": True} if name.endswith("webp") else {}
    file = saved(tmp_path, Image.fromarray(PIXELS), name, **options)
    assert np.array_equal(pixels(file), PIXELS)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_span_black_to_white(tmp_path, name):
    found = pixels(saved(tmp_path, Image.fromarray(GREY), name), 1)
    assert np.allclose(found[..., 0], GREY / 257, atol=1e-3)
    assert found.min() == 0 and np.isclose(found.max(), 255)
    in_colour = pixels(tmp_path / name, 3)
    assert np.array_equal(in_colour, np.repeat(found, 3, axis=2))


def test_sixteen_bits_in_colour_span_black_to_white(tmp_path):
    """Pillow writes no such file, so this one is put together by hand."""
    import zlib

    deep = PIXELS.astype(np.uint16) * 257
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep.reshape(6, -1))

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", 8, 6, 16, 2, 0, 0, 0)
    whole = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + whole)
    assert np.allclose(pixels(tmp_path / "a.png"), PIXELS, atol=1)


@pytest.mark.parametrize("bits", [8, 16])
def test_images_in_which_0_is_white_are_no_negatives(tmp_path, bits):
    values = (GREY >> (16 - bits)).astype(f"u{bits // 8}")
    image = Image.fromarray(values)
    file = saved(tmp_path, image, "a.tif", tiffinfo={262: 0})
    with Image.open(file) as stored:
        assert stored.tag_v2[262] == 0
        raw = np.frombuffer(file.read_bytes(), values.dtype, 48, stored.tag_v2[273][0])
    wanted = 255 - raw.reshape(6, 8) * (255 / (2**bits - 1))
    assert np.allclose(pixels(file, 1)[..., 0], wanted, atol=1e-2)


@pytest.mark.parametrize(("dtype", "mode"), [(np.int32, "I"), (np.float32, "F")])
def test_images_of_32_bits_leave_open_what_is_white(tmp_path, dtype, mode):
    image = Image.fromarray(GREY.astype(dtype))
    assert image.mode == mode
    found = read_picture(saved(tmp_path, image, "a.tif"), 6, 8, 1)
    assert found.largest == 65535 and np.array_equal(found.pixels[..., 0], GREY)


@pytest.mark.parametrize("lowest", [-1.0, np.nan])
def test_numbers_that_are_no_brightness_are_refused(tmp_path, lowest):
    values = np.full((6, 8), 3, np.float32)
    values[0, 0] = lowest
    with pytest.raises(Unreadable, match="no brightness"):
        pixels(saved(tmp_path, Image.fromarray(values), "a.tif"))


def test_one_bit_is_black_or_white(tmp_path):
    bits = RNG.random((6, 8)) > 0.5
    found = pixels(saved(tmp_path, Image.fromarray(bits)), 1)
    assert np.array_equal(found[..., 0], bits * 255.0)


def test_palettes_give_their_colours(tmp_path):
    image = Image.fromarray(PIXELS).quantize(16)
    assert np.array_equal(pixels(saved(tmp_path, image)), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_shows_white(tmp_path, mode):
    if mode == "P":
        image = Image.new("P", (8, 6), 0)
        image.putpalette([10, 20, 30, 200, 100, 50])
        image.paste(1, (0, 0, 4, 6))
        file, solid = saved(tmp_path, image, transparency=0), (200, 100, 50)
    else:
        solid = (200, 100, 50) if mode == "RGBA" else (90, 90, 90)
        image = Image.new(mode, (8, 6), (0, 0, 0, 0) if mode == "RGBA" else (0, 0))
        image.paste((*solid, 255) if mode == "RGBA" else (90, 255), (0, 0, 4, 6))
        file = saved(tmp_path, image)
    found = read_picture(file, 6, 8, 3)
    assert found.is_transparent
    assert (found.pixels[:, :4] == solid).all() and (found.pixels[:, 4:] == 255).all()


def test_half_transparent_is_half_white(tmp_path):
    file = saved(tmp_path, Image.new("RGBA", (8, 6), (0, 0, 0, 128)))
    assert np.allclose(pixels(file), 127, atol=1)


def test_an_alpha_channel_that_hides_nothing_is_no_news(tmp_path):
    file = saved(tmp_path, Image.fromarray(PIXELS).convert("RGBA"))
    found = read_picture(file, 6, 8, 3)
    assert not found.is_transparent and np.array_equal(found.pixels, PIXELS)


SMOOTH = np.stack(
    np.broadcast_arrays(np.linspace(0, 255, 32)[:, None], np.linspace(255, 0, 32)[None], 90),
    axis=-1,
).astype(np.uint8)


@pytest.mark.parametrize(
    ("mode", "name"), [("CMYK", "a.jpg"), ("YCbCr", "a.jpg"), ("RGB", "a.jpg"), ("CMYK", "a.tif")]
)
def test_other_colours_are_those_of_the_picture(tmp_path, mode, name):
    image = Image.fromarray(SMOOTH).convert(mode)
    options = {"quality": 100, "subsampling": 0} if name == "a.jpg" else {}
    found = pixels(saved(tmp_path, image, name, **options), 3, 32, 32)
    assert np.abs(found - SMOOTH).max() <= 6


def test_cmyk_of_adobe_is_not_taken_for_its_negative(tmp_path):
    """Adobe stores ink inverted, and says so in a marker APP14; others do not."""
    file = saved(tmp_path, Image.fromarray(SMOOTH).convert("CMYK"), "a.jpg", quality=100)
    assert b"Adobe" in file.read_bytes()
    assert np.abs(pixels(file, 3, 32, 32) - SMOOTH).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_photographs_are_put_upright(tmp_path, orientation, name):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    file = saved(tmp_path, Image.fromarray(PIXELS), name, exif=exif)
    with Image.open(file) as stored:
        wanted = np.asarray(ImageOps.exif_transpose(stored))
    assert np.array_equal(pixels(file, 3, *wanted.shape[:2]), wanted)


def test_a_damaged_exif_block_turns_nothing(tmp_path):
    file = saved(tmp_path, Image.fromarray(SMOOTH), "a.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert pixels(file, 3, 32, 32).shape == (32, 32, 3)


def test_of_an_animation_the_first_frame_is_taken(tmp_path):
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue")]
    file = saved(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    found = read_picture(file, 6, 8, 3)
    assert found.is_animated and (found.pixels == (255, 0, 0)).all()


def test_grey_and_colour_become_each_other(tmp_path):
    grey = saved(tmp_path, Image.fromarray(PIXELS[..., 0]), "g.png")
    assert np.array_equal(pixels(grey, 3), np.repeat(PIXELS[..., :1], 3, axis=2))
    colour = saved(tmp_path, Image.fromarray(PIXELS), "c.png")
    luma = PIXELS @ [0.299, 0.587, 0.114]
    assert np.allclose(pixels(colour, 1)[..., 0], luma, atol=1)


@settings(max_examples=examples(10, 25), deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 24), st.integers(1, 24))
def test_resizing_is_that_of_keras(rows, columns, height, width):
    import tensorflow as tf

    values = np.random.default_rng(rows).integers(0, 256, (rows, columns, 3)).astype(np.uint8)
    wanted = tf.image.resize(values, (height, width), method="bilinear").numpy()
    assert np.allclose(resized(values, height, width), wanted, atol=1e-2)


def broken(folder):
    whole = io.BytesIO()
    Image.fromarray(SMOOTH).save(whole, "JPEG")
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_bytes(b"no picture")
    (folder / "half.jpg").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    (folder / "script.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (folder / "link.png").symlink_to("nowhere.png")
    (folder / "folder.png").mkdir()
    bomb = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54, 0, 0, 54, 40, 30000, 30000, 1, 24, *[0] * 6)
    (folder / "bomb.bmp").write_bytes(bomb)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("empty.png", "empty"),
        ("text.png", "no image in a known format"),
        ("half.jpg", "(?i)truncated"),
        ("script.png", "no image in a known format"),
        ("link.png", "no file"),
        ("folder.png", "no file"),
        ("bomb.bmp", "more pixels than are safe"),
        ("absent.png", "no file"),
    ],
)
def test_files_that_are_no_images_say_why(tmp_path, name, why):
    broken(tmp_path)
    with pytest.raises(Unreadable, match=why):
        pixels(tmp_path / name)


@settings(max_examples=examples(37, 150), deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"]), st.data())
def test_damaged_files_are_read_or_refused(tmp_path_factory, kind, data):
    whole = io.BytesIO()
    Image.fromarray(SMOOTH).save(whole, kind)
    content = bytearray(whole.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path_factory.mktemp("damaged") / "a.png"
    file.write_bytes(content)
    try:
        assert pixels(file, 3, 8, 8).shape == (8, 8, 3)
    except Unreadable as error:
        assert "\n" not in str(error)
