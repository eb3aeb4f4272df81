"""One image file as numbers: whatever way the file stores them, 0 is black and 255 is white."""

from __future__ import annotations

import contextlib
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeprune.artifacts.arrays import Array, FloatArray
from edgeprune.errors import from_extra
from edgeprune.files.decoder_errors import DECODER_ERRORS

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = (
    "PNG", "JPEG", "MPO", "BMP", "DIB", "WEBP", "GIF", "TIFF", "PPM", "TGA", "JPEG2000", "AVIF",
)  # fmt: skip
"""What Pillow may take a file for; others run programs (EPS) or are no images."""

_BACKGROUND = (255, 255, 255)
"""What shows where an image is transparent."""

_ORIENTATION, _BITS_PER_SAMPLE, _PHOTOMETRIC = 0x0112, 258, 262
"""Tags. Source: Exif 2.32, 4.6.4; TIFF 6.0, section 8."""

_WHITE_IS_ZERO = 0
"""Source: TIFF 6.0, PhotometricInterpretation. Pillow minds it in images of 8 bits alone."""

_DECODER_ERRORS = (
    *DECODER_ERRORS,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise for files that are damaged."""


class Unreadable(Exception):
    """The file is no image that can be used; the message says why in a few words."""


@dataclass(frozen=True)
class Picture:
    """One image in the size that the model takes.

    Attributes:
        pixels: Shape ``(height, width, channels)``.
        largest: Where the file does not say which number is white: its largest one. ``pixels`` are
            then its own numbers, and all such files of a data set are to be scaled alike, see
            :func:`white_of`. Else None.
        is_transparent: It was laid over white.
        is_animated: Only its first frame was taken.
    """

    pixels: FloatArray
    largest: float | None = None
    is_transparent: bool = False
    is_animated: bool = False


def read_picture(file: Path, height: int, width: int, channels: int) -> Picture:
    """Decodes, turns and resizes one image.

    Colours become grey by ITU-R 601-2 where ``channels`` is 1, and grey becomes colour where it is
    3. Transparent images are laid over white, turned photographs are put upright (Exif), of an
    animation the first frame is taken.

    Raises:
        Unreadable: As it says.
        ConfigError: Pillow is not installed.
    """
    with _opened(file) as image:
        is_animated = bool(getattr(image, "is_animated", False))
        image.load()
        deep = _deep(image)
        is_transparent = deep is None and image.has_transparency_data and _is_seen_through(image)
        pixels = _eight_bit(image, channels) if deep is None else deep[0]
        upright = _upright(pixels, _orientation(image))
    if upright.ndim == 2:
        upright = upright[..., None]
    small = resized(upright, height, width)
    if small.shape[2] != channels:
        small = np.repeat(small, channels, axis=2)
    return Picture(small, None if deep is None else deep[1], is_transparent, is_animated)


def white_of(largest: float) -> float | None:
    """Which number is white in images that do not say so, by the largest number in all of them.

    >>> white_of(0.98), white_of(200), white_of(4095), white_of(1e6)
    (1.0, 255.0, 65535.0, None)
    """
    return next((white for white in (1.0, 255.0, 65535.0) if largest <= white), None)


def resized(pixels: Array, height: int, width: int) -> FloatArray:
    """Bilinear, between the centres of pixels, without smoothing before.

    Source: ``tf.image.resize``, which Keras's ``image_dataset_from_directory`` calls so.

    Args:
        pixels: ``(rows, columns, channels)``.
        height: Rows wanted.
        width: Columns wanted.
    """
    (top, bottom, down), (left, right, across) = (
        _neighbours(old, new) for old, new in zip(pixels.shape, (height, width), strict=False)
    )
    across = across[None, :, None]
    rows = []
    for chosen in (pixels[top], pixels[bottom]):
        low, high = chosen[:, left].astype(np.float32), chosen[:, right].astype(np.float32)
        rows.append(low + (high - low) * across)
    found: FloatArray = rows[0] + (rows[1] - rows[0]) * down[:, None, None]
    return found


def _neighbours(old: int, new: int) -> tuple[Array, Array, FloatArray]:
    """For each new place the old ones on its two sides, and how far it lies beyond the first."""
    place = (np.arange(new, dtype=np.float32) + np.float32(0.5)) * np.float32(old / new)
    place -= np.float32(0.5)
    before = np.floor(place)
    low = np.clip(before, 0, old - 1).astype(np.int64)
    high = np.clip(np.ceil(place), 0, old - 1).astype(np.int64)
    return low, high, (place - before).astype(np.float32)


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[Image]:
    """The file as Pillow opens it, with its many errors as one."""
    with from_extra("keras", "an image file"):
        from PIL import Image, UnidentifiedImageError
    try:
        if not file.is_file():
            raise Unreadable("no file")
        if not file.stat().st_size:
            raise Unreadable("empty")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file, formats=_known(Image, _FORMATS)) as image:
                yield image
    except UnidentifiedImageError as error:
        raise Unreadable("no image in a known format") from error
    except Image.DecompressionBombError as error:
        raise Unreadable("more pixels than are safe to decode") from error
    except _DECODER_ERRORS as error:
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        raise Unreadable(reason) from error


def _known(pillow: Any, formats: tuple[str, ...]) -> list[str]:
    """Those formats that this Pillow was built with."""
    pillow.init()
    return [name for name in formats if name in pillow.OPEN]


def _deep(image: Image) -> tuple[FloatArray, float | None] | None:
    """Grey images of more than 8 bits, and the largest number where white is open; else None."""
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return None
    values = np.asarray(image).astype(np.float32)
    if not np.isfinite(values).all() or values.min() < 0:
        raise Unreadable("holds numbers below 0 or none at all, which are no brightness")
    if image.mode in ("I", "F"):
        return values, float(values.max())
    tags = getattr(image, "tag_v2", None) or {}
    bits = tags.get(_BITS_PER_SAMPLE, 16)
    bits = bits[0] if isinstance(bits, tuple) else bits
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        values = np.float32(2**bits - 1) - values
    return values * np.float32(255 / (2**bits - 1)), None


def _eight_bit(image: Image, channels: int) -> Array:
    """Any other image, as grey or colours."""
    from PIL import Image as pillow

    if image.has_transparency_data:
        front = image.convert("RGBA")
        back = pillow.new("RGBA", front.size, (*_BACKGROUND, 255))
        image = pillow.alpha_composite(back, front)
    return np.asarray(image.convert("RGB" if channels == 3 else "L"))


def _is_seen_through(image: Image) -> bool:
    lowest = image.convert("RGBA").getchannel("A").getextrema()[0]
    return float(lowest) < 255  # type: ignore[arg-type]


def _orientation(image: Image) -> int:
    """How the camera was held, 1 to 8; 1, upright, where nothing readable says so."""
    with contextlib.suppress(*_DECODER_ERRORS):
        return int(image.getexif().get(_ORIENTATION, 1))
    return 1


def _upright(pixels: Array, orientation: int) -> Array:
    """Undoes the turning and mirroring of a camera.

    Source: Exif 2.32, 4.6.4: where row 0 and column 0 of the file belong.
    """
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
