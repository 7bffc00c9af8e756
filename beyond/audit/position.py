"""Where a face lies: its offset and scale against the mean face, and how sharp the mean face is.

Generators trained on aligned faces may place them more regularly than photographs are aligned. The
offset is by phase correlation with the mean face, low-passed, since a mean face has no fine detail;
the scale is that of the zoomed mean face which correlates best. Both go between the steps by a
parabola. How well planted ones are found again: docs/dataset_card.md.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage

from fakeface_utils.paper import CLASSES

REACH = 8  # pixels of `COMPARED`, the largest offset that is looked for
ZOOM, ZOOMS = 1.05, 3  # a step, and how many each way
LOW_PASS = 0.14  # deviation of the Gaussian, in cycles a pixel
RESAMPLES = 500
AT_ONCE = 256

Faces = npt.NDArray[np.uint8]  # (N, side, side), grey
Floats = npt.NDArray[np.floating]


def positions(faces: Faces) -> dict[str, Floats]:
    """Down, right (pixels) and zoom (logarithm) of each face against the mean of all, each (N,)."""
    mean = faces.mean(axis=0)
    steps = np.arange(-ZOOMS, ZOOMS + 1)
    means = np.conj(_phases(np.stack([_zoomed(mean, ZOOM ** float(step)) for step in steps])))
    found = []
    for first in range(0, len(faces), AT_ONCE):
        some = _phases(faces[first : first + AT_ONCE])
        heights, downs, rights = np.array([_peak(some * one) for one in means]).transpose(1, 2, 0)
        best, between = _top(heights)
        of = np.arange(len(best)), best
        found.append(np.stack([downs[of], rights[of], (steps[best] + between) * np.log(ZOOM)]))
    return dict(zip(("down", "right", "zoom"), np.concatenate(found, axis=1), strict=True))


def _zoomed(image: Floats, zoom: float) -> Floats:
    """An image enlarged about its middle, or reduced with its edge mirrored."""
    middle = (np.array(image.shape) - 1) / 2
    about = {"offset": middle - middle / zoom, "order": 1, "mode": "mirror"}
    return scipy.ndimage.affine_transform(image, np.full(2, 1 / zoom), **about)


def _phases(images: npt.NDArray) -> npt.NDArray[np.complexfloating]:
    """Of (N, side, side) the low-passed spectra, each frequency's strength taken away."""
    side = images.shape[1]
    window = np.hanning(side)[:, None] * np.hanning(side)
    levelled = images - images.mean(axis=(1, 2), keepdims=True, dtype="float32")
    spectra = scipy.fft.rfft2((levelled * window).astype("float32"))
    radius = np.hypot(scipy.fft.fftfreq(side)[:, None], scipy.fft.rfftfreq(side))
    passed = np.exp(-((radius / LOW_PASS) ** 2) / 4)  # squared in a product of two
    return spectra / np.maximum(np.abs(spectra), 1e-6) * passed


def _peak(products: npt.NDArray[np.complexfloating]) -> tuple[Floats, Floats, Floats]:
    """Height and place of the highest point of each correlation, (N,) each."""
    correlations = scipy.fft.irfft2(products)
    near = np.roll(correlations, REACH, axis=(1, 2))[:, : 2 * REACH + 1, : 2 * REACH + 1]
    heights = near.max(axis=(1, 2))
    (row, down), (column, right) = _top(near.max(axis=2)), _top(near.max(axis=1))
    return heights, row + down - REACH, column + right - REACH


def _top(values: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """Of each row the place of its largest value, and how far beyond it a parabola's top lies."""
    best = values.argmax(axis=1)
    middle = best.clip(1, values.shape[1] - 2)
    left, top, right = (values[np.arange(len(values)), middle + step] for step in (-1, 0, 1))
    bend = 2 * top - left - right
    beyond = (right - left) / 2 / np.where(bend > 0, bend, np.inf)
    return best, np.where(best == middle, beyond, 0.0)


def sharpness(faces: Faces, labels: npt.NDArray[np.int64]) -> dict[str, Any]:
    """The mean square of the gradient of each class's mean face, by as many images of both.

    real, fake, and fake minus real: mean, low and high, the 95 % interval by the bootstrap over
    images. By chance the mean of few is rougher than that of many. So no image is multiplied with
    itself: what is estimated is the mean face of all that could be drawn.
    """
    random, most = np.random.default_rng(0), int(np.bincount(labels, minlength=2).min())
    draws = {}
    for label, name in enumerate(CLASSES):
        own = faces[random.permutation(np.flatnonzero(labels == label))[:most]].astype("float32")
        down, right = (np.diff(own, axis=axis).reshape(most, -1) for axis in (1, 2))
        edges = np.concatenate([down, right], axis=1)
        each = random.multinomial(most, np.full(most, 1 / most), RESAMPLES)
        counts = np.concatenate([np.ones((1, most)), each]).astype("float32")
        alone = counts**2 @ (edges**2).sum(axis=1)  # each image with itself
        pairs = np.maximum(most**2 - (counts**2).sum(axis=1), 1)
        # Two directions, so that the mean over places is over half of the edges.
        squares = ((counts @ edges) ** 2).sum(axis=1, dtype="float64") - alone
        draws[name] = squares / pairs / (edges.shape[1] / 2)
    draws["fake minus real"] = draws["fake"] - draws["real"]
    ends = {name: np.quantile(values[1:], (0.025, 0.975)) for name, values in draws.items()}
    found = {name: list(map(float, (draws[name][0], *ends[name]))) for name in draws}
    return found | {"images of each": most}
