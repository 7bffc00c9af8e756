"""The spectrum of every image: how much detail of each fineness it has, without the place.

The grey image (ITU-R BT.601 weights) less its mean, |FFT|^2, and the mean power in rings of one
frequency step around zero, from the first to Nyquist's; the corners beyond it are left out. Divided
by the image's total power, so that contrast doesn't count, and as log10. Bin k, from 1, is k / side
cycles per pixel. No window: both classes have the same edges.
"""

import functools
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.fft

from fakeface_utils.data import images, manifest, prepare, source
from fakeface_utils.image_files import open_images, original
from fakeface_utils.settings import Study
from fakeface_utils.step import AXES, step
from fakeface_utils.util import in_threads, progress

SIZES = ("stored", "input")  # images as they are stored, and as the networks see them
GREY = np.array([0.2989, 0.5870, 0.1140], dtype=np.float32)
LEAST_POWER = 1.0  # a single pixel that differs by one grey level has more: less is one colour
AXES["size"] = lambda study: SIZES

Floats = npt.NDArray[np.float32]


def side_of(study: Study, size: str) -> int:
    """Pixels a side at one of `SIZES`; as stored the commonest of square training images, or 0."""
    if size == "input":
        return study.image_size
    table = manifest(study, "train")
    sides = table.loc[table["width"] == table["height"], "width"]
    return int(sides.mode().max()) if len(sides) else 0


@step(
    "insight",
    writes=lambda study, size, split: [f"{size}-{split}.npy"],
    after=lambda study, size, split: [prepare.of(study, s) for s in {split, "train"}],
    each=("size", "split"),
    folder=lambda study, *_: study.prepared / "spectra",
)
def spectra(study: Study, size: str, split: str, out: Path) -> None:
    """(N, side // 2) in the manifest's order; studies of the same images share them.

    A row is not a number where the image is of one colour or, as stored, not of the usual side.
    """
    table, side, pixels = manifest(study, split), side_of(study, size), images(study, split)
    files = open_images(source(study)) if size == "stored" else None

    def spectrum(number: int) -> Floats:
        if files is None:
            return log_spectrum(pixels[number])
        row = table.iloc[number]
        if (row["width"], row["height"]) != (side, side):
            return np.full(max(side // 2, 1), np.nan, np.float32)
        return log_spectrum(np.asarray(original(files, row["path"], row["sha256"]).image))

    found: list[Floats] = []
    with progress(len(table), f"spectra of {split}, {size} size", "image") as bar:
        for batch in in_threads(spectrum, range(len(table))):
            found += batch
            bar.update(len(batch))
    np.save(out / f"{size}-{split}.npy", np.array(found))


def log_spectrum(pixels: npt.NDArray[np.uint8]) -> Floats:
    """log10 of each ring's mean power as a share of the whole; (side // 2,) of (side, side, 3).

    Of white noise it is flat, at -log10(side^2 - 1); of one colour not a number.
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
def _rings(side: int) -> tuple[npt.NDArray, npt.NDArray, Floats]:
    """For `rfft2`: each value's ring (0: none), the rings' sizes from 1, a column's weight.

    `rfft2` gives half of the plane: but for the columns of frequency 0 and, where the side is even,
    Nyquist's, a value stands for its mirror image too.
    """
    across = np.arange(side // 2 + 1)
    down = np.fft.fftfreq(side, 1 / side)
    radius = np.hypot(down[:, None], across)
    ring = np.where(radius <= side / 2, np.rint(radius).astype(int), 0)
    ring[ring > side // 2] = 0  # of an odd side, the half step beyond the last whole ring
    times = np.where((across == 0) | (2 * across == side), 1, 2).astype(np.float32)
    counts = np.bincount(ring.ravel(), np.broadcast_to(times, ring.shape).ravel(), side // 2 + 1)
    return ring.ravel(), counts[1:], times
