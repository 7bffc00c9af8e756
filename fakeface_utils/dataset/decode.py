"""One image file, as bytes, to one square of RGB."""

import io
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image

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
    zipfile.BadZipFile,
)

FORMATS = ("JPEG", "PNG", "BMP", "WEBP")

MOST_PIXELS = 2**25  # of one image: 100 MB when decoded


def decode(
    raw: bytes, size: int, resize_filter: str
) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
    """Decode an image file to a square RGB array; also return what the original was like.

    Transparent images are laid on white; greyscale and CMYK are converted; other than square
    images are squeezed, as Keras' loaders do.

    Args:
        raw: the file's bytes.
        size: pixels a side.
        resize_filter: a key of `FILTERS`.

    Returns:
        (size, size, 3) uint8, and the original's width, height, mode, generated (whether it carries
        the demo's mark) and jpeg_tables, a digest of its quantization tables.

    Raises:
        one of `UNREADABLE`: it isn't an image, or it is cut short.
    """
    with PIL.Image.open(io.BytesIO(raw), formats=FORMATS) as file:
        if file.width * file.height > MOST_PIXELS:
            raise ValueError(f"{file.width} x {file.height} pixels are too many")
        file.load()
        image: PIL.Image.Image = file
        comment = image.info.get("comment", b"")
        about = {"width": image.width, "height": image.height, "mode": image.mode}
        about["generated"] = comment == MARK.encode()
        tables = getattr(file, "quantization", None)  # a JPEG's: its quality, in effect
        about["jpeg_tables"] = f"{zlib.crc32(str(tables).encode()):08x}" if tables else "none"
        if image.has_transparency_data:
            white = PIL.Image.new("RGBA", image.size, "white")
            image = PIL.Image.alpha_composite(white, image.convert("RGBA"))
        rgb = image.convert("RGB")
        if rgb.size != (size, size):
            rgb = rgb.resize((size, size), FILTERS[resize_filter])
        return np.asarray(rgb), about


MARK = "fakeface demo: generated image, not a photograph"
