"""When two images are near-duplicates: by a perceptual hash, confirmed by their pixels.

The hash (ImageHash's pHash, 64 bits) proposes pairs; alone it would match many different faces. The
pixels decide. How much two images differ in grey levels says little by itself: two dark portraits
of different people may differ by 15, one finely detailed face rendered twice by 19. So the
difference is measured in shifts: a shift is what moving the image by one pixel changes.

Both limits are from 7,000 of the paper's images, of which all 24.5 million pairs were compared and
the closest were looked at: docs/dataset_card.md has the counts.
"""

import numpy as np
import numpy.typing as npt
import PIL.Image

HASH_DISTANCE = 16  # of 64 bits, at most so many differ
SHIFTS = 1.75  # the difference of near-duplicates stays below it
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


def shift(image: Bytes) -> float:
    """The difference of an image (side, side, 3) from itself moved by one pixel, in grey levels.

    The mean of both directions; at least 1, so that two flat images can be near-duplicates too.
    """
    moved = (difference(image[1:], image[:-1]) + difference(image[:, 1:], image[:, :-1])) / 2
    return max(moved, 1.0)
