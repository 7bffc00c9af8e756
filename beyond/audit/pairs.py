"""When two images are near-duplicates, and the search for them among all.

A perceptual hash (ImageHash's pHash, 64 bits) proposes pairs, the pixels decide. In grey levels two
dark portraits of different people may differ by 15, one detailed face rendered twice by 19. So the
difference is measured in shifts: what moving the image by one pixel changes. Both limits are from
all 24.5 million pairs of 7,000 of the paper's images: docs/dataset_card.md.
"""

import functools
import heapq
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import PIL.Image

from fakeface_utils.util import in_threads, progress

HASH_DISTANCE = 16  # of 64 bits, at most so many differ
SHIFTS = 1.75  # the difference of near-duplicates stays below it
COMPARED = 64  # pixels a side at which images are compared
MOST_PAIRS = 200_000  # beyond it the search stops; the paper's images have about 26,000
UNLIKE = 6  # closest unconfirmed pairs, kept so that a person can judge the limit

Bytes = npt.NDArray[np.uint8]
Pair = tuple[int, int, int, float, float]  # two places; bits, grey levels and shifts apart


def reduced(image: Bytes) -> PIL.Image.Image:
    """An image (side, side, 3) resized to `COMPARED`, where two images are compared."""
    size = (COMPARED, COMPARED)
    return PIL.Image.fromarray(image).resize(size, PIL.Image.Resampling.BILINEAR)


def difference(a: Bytes, b: Bytes) -> float:
    """Mean absolute difference of two arrays of one shape, in grey levels."""
    return float(np.abs(a.astype(np.int16) - b).mean())


def shift(image: Bytes) -> float:
    """What moving an image by one pixel changes, in grey levels; at least 1, as of flat ones."""
    moved = (difference(image[1:], image[:-1]) + difference(image[:, 1:], image[:, :-1])) / 2
    return max(moved, 1.0)


def fingerprints(
    splits: list[Bytes],
) -> tuple[npt.NDArray[np.uint64], Bytes, npt.NDArray[np.float64]]:
    """Of all N images: (N,) hashes, (N, side, side, 3) thumbnails, (N,) what a shift changes."""
    import imagehash  # slow to import

    side = 16 if splits[0].shape[1] >= 112 else 8  # without the fine detail

    def work(image: Bytes) -> tuple[np.uint64, Bytes, float]:
        small = reduced(image)
        thumbnail = np.asarray(small.resize((side, side), PIL.Image.Resampling.BOX))
        bits = np.packbits(imagehash.phash(small).hash).view(np.uint64)[0]
        return bits, thumbnail, shift(np.asarray(small))

    found: list[tuple[np.uint64, Bytes, float]] = []
    with progress(sum(map(len, splits)), "hashing", "image") as bar:
        for batch in (batch for images in splits for batch in in_threads(work, images)):
            found += batch
            bar.update(len(batch))
    hashes, thumbnails, shifts = zip(*found, strict=True)
    return np.array(hashes), np.stack(thumbnails), np.array(shifts)


def near_pairs(
    hashes: npt.NDArray[np.uint64],
    thumbnails: Bytes,
    shifts: npt.NDArray[np.float64],
    image: Callable[[int], Bytes],
) -> tuple[list[Pair], list[Pair], bool]:
    """Near-duplicates, the closest other pairs that the hash proposes, whether the search ended.

    Every hash is compared with every later one, which a tree doesn't spare: those of aligned faces
    are alike. Of the 198,000 pairs proposed among 7,000 of the paper's images thumbnails leave 68,
    whose pixels `image` reads by their places. All 140,000 images take about two minutes.
    """

    @functools.lru_cache(256)
    def small(place: int) -> Bytes:
        return np.asarray(reduced(image(place)))

    def compared(a: int, b: int, moved: float) -> Pair:
        apart = difference(small(a), small(b))
        return a, b, int(np.bitwise_count(hashes[a] ^ hashes[b])), apart, apart / moved

    near: list[Pair] = []
    closest: list[tuple[float, int, int, float]] = []
    for a in range(len(hashes)):
        bits = np.bitwise_count(hashes[a] ^ hashes[a + 1 :])
        others = a + 1 + np.flatnonzero(bits <= HASH_DISTANCE)
        coarse = np.abs(thumbnails[others].astype(np.int16) - thumbnails[a]).mean(axis=(1, 2, 3))
        moved = np.minimum(shifts[a], shifts[others])
        # Averaging never enlarges a difference; rounding may, by less than one.
        possible = coarse - 1 < SHIFTS * moved
        for place in np.flatnonzero(possible):
            pair = compared(a, int(others[place]), moved[place])
            possible[place] = pair[-1] < SHIFTS
            if possible[place]:
                near.append(pair)
        if len(near) > MOST_PAIRS:
            return near, [], False
        coarse = np.where(possible, np.inf, coarse / moved)
        least = closest[-1][0] if len(closest) == UNLIKE else np.inf
        more = [(coarse[i], a, int(others[i]), moved[i]) for i in np.flatnonzero(coarse < least)]
        closest = heapq.nsmallest(UNLIKE, closest + more) if more else closest
    return near, [compared(a, b, moved) for _, a, b, moved in closest], True
