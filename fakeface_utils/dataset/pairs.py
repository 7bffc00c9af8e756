"""The search for near-duplicates among all images; `alike` defines them."""

import functools
import heapq
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import PIL.Image

from ..common.progress import progress
from .alike import HASH_DISTANCE, SHIFTS, Bytes, difference, distances, perceptual_hash, reduced
from .alike import shift as shift_of

MOST_PAIRS = 200_000  # near-duplicates, beyond which the search stops; the paper's images: ~26,000

UNLIKE = 6  # closest unconfirmed pairs, kept so that a person can judge the limit

Pair = tuple[int, int, int, float, float]  # both places, bits apart, grey levels apart, in shifts


def fingerprints(
    splits: list[Bytes],
) -> tuple[npt.NDArray[np.uint64], Bytes, npt.NDArray[np.float64]]:
    """What images are searched by.

    Args:
        splits: arrays (N, size, size, 3), usually memory-mapped.

    Returns:
        Of all splits together (N,) the perceptual hash's 64 bits; (N, side, side, 3) thumbnails,
        where side is 16, and 8 for images below 112 px, of which 16 would still show the fine
        detail; and (N,) what a shift changes, see `alike.shift`.
    """
    side = 16 if splits[0].shape[1] >= 112 else 8

    def work(image: Bytes) -> tuple[np.uint64, Bytes, float]:
        small = reduced(image)
        thumbnail = small.resize((side, side), PIL.Image.Resampling.BOX)
        return perceptual_hash(small), np.asarray(thumbnail), shift_of(np.asarray(small))

    total = sum(map(len, splits))
    hashes, thumbnails = np.empty(total, np.uint64), np.empty((total, side, side, 3), np.uint8)
    shifts = np.empty(total)
    place = 0
    with progress(total, "hashing", "image") as bar, ThreadPoolExecutor() as pool:
        for images in splits:
            for start in range(0, len(images), 256):
                for bits, thumbnail, shift in pool.map(work, images[start : start + 256]):
                    hashes[place], thumbnails[place], shifts[place] = bits, thumbnail, shift
                    place += 1
                bar.update(len(images[start : start + 256]))
    return hashes, thumbnails, shifts


def near_pairs(
    hashes: npt.NDArray[np.uint64],
    thumbnails: Bytes,
    shifts: npt.NDArray[np.float64],
    image: Callable[[int], Bytes],
) -> tuple[list[Pair], list[Pair], bool]:
    """Near-duplicates, the closest other pairs that the hash proposes, whether it finished.

    Every hash is compared with every later one, which a tree doesn't spare: the hashes of aligned
    faces are close to one another. Of the 24.5 million pairs of 7,000 of the paper's images the
    hash proposes 198,000, and thumbnails leave 68 of these, whose pixels are compared. At 140,000
    images the search takes about two minutes and no memory but the thumbnails'.

    Args:
        hashes, thumbnails, shifts: of N images, see `fingerprints`.
        image: reads the pixels of one by its place.
    """

    @functools.lru_cache(256)
    def small(place: int) -> Bytes:
        return np.asarray(reduced(image(place)))

    def compared(a: int, b: int, moved: float) -> Pair:
        apart = difference(small(a), small(b))
        return a, b, int(distances(hashes[a], hashes[b])), apart, apart / moved

    near: list[Pair] = []
    closest: list[tuple[float, int, int, float]] = []
    for a in range(len(hashes)):
        bits = distances(hashes[a], hashes[a + 1 :])
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
