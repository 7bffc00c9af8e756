"""When two images are near-duplicates: by a perceptual hash, confirmed by their pixels.

The hash (ImageHash's pHash, 64 bits) proposes pairs; alone it would match many different faces. The
mean absolute difference of the pixels at 64 px decides.
"""

import numpy as np
import numpy.typing as npt
import PIL.Image

HASH_DISTANCE = 10  # of 64 bits, at most so many differ
DIFFERENCE = 15.0  # grey levels; the mean over pixels and colours at COMPARED px stays below it
COMPARED = 64  # pixels per side

Bytes = npt.NDArray[np.uint8]


def reduced(image: Bytes) -> PIL.Image.Image:
    """An image (side, side, 3) resized to `COMPARED`, where two images are compared."""
    size = (COMPARED, COMPARED)
    return PIL.Image.fromarray(image).resize(size, PIL.Image.Resampling.BILINEAR)


def perceptual_hash(image: PIL.Image.Image) -> np.uint64:
    """The 64 bits of pHash."""
    import imagehash  # slow to import, so here only

    return np.packbits(imagehash.phash(image).hash).view(np.uint64)[0]


def distances(one: np.uint64, others: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """How many bits of a hash differ from each of (N,) others."""
    return np.bitwise_count(one ^ others)


def difference(a: Bytes, b: Bytes) -> float:
    """Mean absolute difference of two arrays of one shape, in grey levels."""
    return float(np.abs(a.astype(np.int16) - b).mean())
