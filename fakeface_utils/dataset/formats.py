"""What an image file tells of how it was saved: format, size, JPEG quality, chroma subsampling."""

from typing import Any

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

from .decode import open_header

# The example table for luminance of the JPEG standard (ITU-T T.81, table K.1), row by row.
LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
).ravel()

SUBSAMPLING = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0", (4, 1): "4:1:1"}


def scaled(quality: int) -> tuple[int, ...]:
    """The luminance table of a quality, 1 to 100, by the formula of the IJG's library."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return tuple(np.clip((LUMINANCE * percent + 50) // 100, 1, 255).tolist())


QUALITIES = {scaled(quality): str(quality) for quality in range(1, 101)}


def file_format(raw: bytes) -> dict[str, Any]:
    """How an image file was saved; only its header is read.

    Returns:
        format ('JPEG', ...), size ('256x256', as stored), quality ('1' to '100', 'other tables'
        where the luminance table is no scaled standard one, '-' for what is no JPEG) and
        subsampling ('4:2:0', 'grey', 'other', or '-').

    Raises:
        one of `decode.UNREADABLE`: it isn't an image or has too many pixels.
    """
    with open_header(raw) as file:
        quality = subsampling = "-"
        if isinstance(file, JpegImageFile):
            quality = QUALITIES.get(tuple(file.quantization.get(0, ())), "other tables")
            first, *others = [part[1:3] for part in file.layer]
            alike = all(factors == (1, 1) for factors in others)
            subsampling = SUBSAMPLING.get(first, "other") if alike else "other"
            subsampling = subsampling if others else "grey"
        return {
            "format": file.format,
            "size": f"{file.width}x{file.height}",
            "quality": quality,
            "subsampling": subsampling,
        }
