"""One image file, as bytes, to one square of RGB."""

import io
import lzma
import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.ExifTags
import PIL.Image

from ..common.files import human_size
from ..common.paths import escaped

FILTERS = {
    "bilinear": PIL.Image.Resampling.BILINEAR,  # antialiased: Pillow widens it when reducing
    "nearest": PIL.Image.Resampling.NEAREST,
}

UNREADABLE = (  # what Pillow and zipfile raise for a file that is broken or no image
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    NotImplementedError,  # zipfile's, for a compression that it doesn't know
    struct.error,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
)

FORMATS = ("JPEG", "PNG", "BMP", "WEBP")

LARGEST = 64 * 2**20  # bytes of one file; the paper's images have about 27,000

MOST_PIXELS = 2**25  # of one image: 100 MB when decoded

# Pillow's own exif_transpose writes the EXIF data again, and fails on many a camera's.
UPRIGHT = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}

warnings.filterwarnings("ignore", module="PIL")  # what it warns of is read or refused by name here


def read_file(path: Path) -> bytes:
    """The bytes of an image file.

    Raises:
        OSError: it can't be read.
        ValueError: it has more than `LARGEST` bytes.
    """
    if (size := path.stat().st_size) > LARGEST:
        raise ValueError(f"{human_size(size)} are too many for an image")
    return path.read_bytes()


def decode(
    raw: bytes, size: int, resize_filter: str
) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
    """Decode an image file to a square RGB array; also return what the original was like.

    Other than square images are squeezed, as Keras' loaders do.

    Args:
        raw: the file's bytes.
        size: pixels a side.
        resize_filter: a key of `FILTERS`.

    Returns:
        (size, size, 3) uint8; and what `open_rgb` tells of the original.

    Raises:
        one of `UNREADABLE`: as `open_rgb`.
    """
    image, about = open_rgb(raw)
    return as_input(image, size, resize_filter), about


def as_input(image: PIL.Image.Image, size: int, resize_filter: str) -> npt.NDArray[np.uint8]:
    """An RGB image as (size, size, 3) uint8, resized as every image of the study is."""
    if image.size != (size, size):
        image = image.resize((size, size), FILTERS[resize_filter])
    return np.asarray(image)


def open_rgb(raw: bytes) -> tuple[PIL.Image.Image, dict[str, Any]]:
    """Decode an image file to 8-bit RGB at its own size; also return what it was like.

    A photograph is turned upright as its EXIF data say (FFHQ's and StyleGAN's files have none).
    Transparent images are laid on white; greyscale and CMYK are converted; of 16 bits the upper 8
    are kept.

    Args:
        raw: the file's bytes.

    Returns:
        The image; and the original's width and height (upright), mode, generated (whether it
        carries the demo's mark) and jpeg_tables, a digest of its quantization tables.

    Raises:
        one of `UNREADABLE`: it isn't an image, it is cut short, it has more than `MOST_PIXELS`, or
            its pixels have no defined place between black and white.
    """
    with open_header(raw) as file:
        file.load()
        comment = file.info.get("comment", b"")
        tables = getattr(file, "quantization", None)  # a JPEG's: its quality, in effect
        if file.format == "PNG" and file.mode != "P" and "transparency" in file.info:
            if (bits := raw[24]) not in (1, 8):  # Pillow compares it with pixels of 8 bits
                raise ValueError(f"a transparent colour of {bits} bits is not supported")
        turn = UPRIGHT.get(file.getexif().get(PIL.ExifTags.Base.Orientation, 1))
        image: PIL.Image.Image = file if turn is None else file.transpose(turn)
        about = {
            "width": image.width,
            "height": image.height,
            "mode": image.mode,
            "generated": comment == MARK.encode(),
            "jpeg_tables": f"{zlib.crc32(str(tables).encode()):08x}" if tables else "none",
        }
        return to_rgb(image), about


def open_header(raw: bytes) -> PIL.Image.Image:
    """Read an image's header.

    Raises:
        one of `UNREADABLE`: it isn't an image or has too many pixels.
    """
    try:
        file = PIL.Image.open(io.BytesIO(raw), formats=FORMATS)
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning) as error:
        raise ValueError(f"more than {MOST_PIXELS:,} pixels are too many") from error
    if file.width * file.height > MOST_PIXELS:
        raise ValueError(f"{file.width} x {file.height} pixels are too many")
    return file


def to_rgb(image: PIL.Image.Image) -> PIL.Image.Image:
    """Convert an image of any mode to 8-bit RGB, on white where it is transparent.

    Raises:
        ValueError: its numbers have no defined black and white (modes I and F).
    """
    if image.mode.startswith("I;16"):  # Pillow would clip; of 16-bit colours it too keeps the top 8
        image = PIL.Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode} have no defined black and white")
    if image.has_transparency_data:
        white = PIL.Image.new("RGBA", image.size, "white")
        image = PIL.Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")


def reason(error: Exception) -> str:
    """Why a file couldn't be read, for a person: one line, safe to print."""
    if isinstance(error, PIL.UnidentifiedImageError):  # its own text names a buffer
        return "not an image"
    return escaped(str(error)) or "broken"


MARK = "fakeface demo: generated image, not a photograph"
