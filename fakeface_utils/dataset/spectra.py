"""The spectrum of every image: how much detail of each fineness it has, without the place.

The grey image (ITU-R BT.601 weights) less its mean, |FFT|^2, and the mean power in rings of one
frequency step around zero, from the first to Nyquist's; the corners beyond it are left out. Divided
by the image's total power, so that contrast doesn't count, and as log10. Bin k, from 1, is k / side
cycles per pixel. No window: both classes have the same edges.
"""

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import scipy.fft

from ..common.errors import StudyError
from ..common.files import write_atomic
from ..common.paths import shown
from ..common.progress import progress
from ..study.artefacts import read_images, read_manifest, source_path
from ..study.beyond_artefacts import SPECTRUM_SIZES, spectra_npy, spectrum_side
from ..study.insight import spectra_step
from ..study.names import SPLITS
from ..study.settings import Study
from .decode import UNREADABLE, open_rgb, reason
from .folder import open_images

GREY = np.array([0.2989, 0.5870, 0.1140], dtype=np.float32)
AT_ONCE = 256  # images handed to the threads together
LEAST_POWER = 1.0  # a single pixel that differs by one grey level has more: less is one colour


def measure_spectra(study: Study) -> None:
    """Measure the spectra of all images, as stored and as the networks see them, unless done.

    `spectra/<size>-<split>.npy` is (N, side // 2) float32 in the manifest's order. A row is not a
    number where the image is of one colour or, as stored, has another than the usual side.

    Raises:
        StudyError: the prepared images are missing, or an original can't be read any more.
    """
    for size in SPECTRUM_SIZES:
        for split in SPLITS:
            step = spectra_step(study, size, split)
            if not step.do(functools.partial(_measure, study, size, split)):
                print(f"{step.name}: up to date")


def _measure(study: Study, size: str, split: str) -> None:
    side = spectrum_side(study, size)
    read = _originals(study, split, side) if size == "stored" else _inputs(study, split)
    count = len(read_manifest(study, split))

    def work(number: int) -> npt.NDArray[np.float32] | None:
        pixels = read(number)
        return None if pixels is None else log_spectrum(pixels)

    spectra = np.full((count, max(side // 2, 1)), np.nan, dtype=np.float32)
    bar = progress(count, f"spectra of {split}, {size} size", "image")
    with bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, count, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, count))
            for number, row in zip(numbers, pool.map(work, numbers), strict=True):
                if row is not None:
                    spectra[number] = row
            bar.update(len(numbers))
    with write_atomic(spectra_npy(study, size, split)) as part:
        np.save(part, spectra)


Reader = Callable[[int], npt.NDArray[np.uint8] | None]  # an image by its place in the split


def _inputs(study: Study, split: str) -> Reader:
    """Reads what the networks see."""
    images = read_images(study, split)
    return lambda number: images[number]


def _originals(study: Study, split: str, side: int) -> Reader:
    """Decodes the images as they are stored; None for one of another size."""
    manifest = read_manifest(study, split)
    usual = ((manifest["width"] == side) & (manifest["height"] == side)).to_numpy()
    paths, source = manifest["path"].tolist(), open_images(source_path(study))

    def read(number: int) -> npt.NDArray[np.uint8] | None:
        if not usual[number]:
            return None
        try:
            return np.asarray(open_rgb(source.read(paths[number]))[0])
        except UNREADABLE as error:
            raise StudyError(
                f"{paths[number]} in {shown(source.root)} can't be read any more "
                f"({reason(error)}): put it back, or run notebooks/01_dataset.ipynb again"
            ) from error

    return read


def log_spectrum(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """log10 of the mean power in each ring as a share of the image's total power.

    Of white noise it is flat, at -log10(side^2 - 1).

    Args:
        pixels: (side, side, 3) RGB.

    Returns:
        (side // 2,), of 1 / side to at most 0.5 cycles per pixel; not a number for one colour.
    """
    side = len(pixels)
    rings, counts, times = _rings(side)
    grey = pixels @ GREY
    power = np.abs(scipy.fft.rfft2(grey - grey.mean())) ** 2
    power[0, 0] = 0  # what rounding leaves of the mean
    power *= times
    if power.sum() < LEAST_POWER:
        return np.full(side // 2, np.nan, dtype=np.float32)
    mean = np.bincount(rings, power.ravel(), side // 2 + 1)[1 : side // 2 + 1] / counts
    return np.log10(np.maximum(mean / power.sum(), 1e-20)).astype(np.float32)


@functools.cache
def _rings(side: int) -> tuple[npt.NDArray, npt.NDArray, npt.NDArray[np.float32]]:
    """For `rfft2` of an image: each value's ring, the rings' sizes, how often a value counts.

    `rfft2` gives half of the plane: but for the columns of frequency 0 and, where the side is even,
    Nyquist's, a value stands for its mirror image too.

    Returns:
        (side * (side // 2 + 1),) the ring, 0 for what lies in none; (side // 2,) the number of
        values in each from 1; (side // 2 + 1,) 1 or 2 by column.
    """
    across = np.arange(side // 2 + 1)
    down = np.fft.fftfreq(side, 1 / side)
    radius = np.hypot(down[:, None], across)
    ring = np.where(radius <= side / 2, np.rint(radius).astype(int), 0)
    ring[ring > side // 2] = 0  # of an odd side, the half step beyond the last whole ring
    times = np.where((across == 0) | (2 * across == side), 1, 2).astype(np.float32)
    counts = np.bincount(ring.ravel(), np.broadcast_to(times, ring.shape).ravel(), side // 2 + 1)
    return ring.ravel(), counts[1:], times
