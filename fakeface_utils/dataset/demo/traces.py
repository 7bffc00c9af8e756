"""A camera and a generator: what makes a portrait real or fake."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...study.names import CLASSES
from ..decode import MARK
from .canvas import Floats
from .portrait import draw_portrait

SIZES = range(40, 257, 8)  # sides in pixels that the trace and the reductions fit

JPEG_QUALITY = 95

_READ_NOISE = 1.2  # grey levels

_SHOT_NOISE = 0.2  # variance per grey level of signal

_DETAIL_KEPT = 0.8  # of the finest octave, in the fakes

# The gain difference of even and odd outputs: red, green and blue nearly cancel in lightness, so
# that the trace is invisible. Its strength varies between images, by a factor within the spread.
_OVERLAP = np.array([0.06, -0.036, 0.048], dtype=np.float32)

_OVERLAP_SPREAD = (0.6, 1.4)

_WITHOUT_TRACE = 0.04  # share of the fakes: as with real generators, no detector finds them all


def _noise_sigma(signal_level: Floats) -> Floats:
    """Standard deviation of a sensor's noise: shot noise grows with the signal."""
    return np.sqrt(_READ_NOISE**2 + _SHOT_NOISE * np.clip(signal_level, 0, 255))


def _camera(scene: Floats, rng: np.random.Generator) -> Floats:
    """Noisy Bayer mosaic (RGGB), bilinear demosaicing, half the size: (2n, 2n, 3) to (n, n, 3)."""
    red, blue = np.zeros((2, *scene.shape[:2]), dtype=np.float32)
    red[::2, ::2] = blue[1::2, 1::2] = 1
    masks = np.stack([red, 1 - red - blue, blue], axis=-1)
    raw = (scene * masks).sum(axis=-1)
    raw = raw + _noise_sigma(raw) * rng.standard_normal(raw.shape, dtype=np.float32)
    samples = np.pad(
        raw[..., None] * masks, ((1, 1), (1, 1), (0, 0)), mode="reflect"
    )  # keeps the parity
    rows = samples[:-2] + 2 * samples[1:-1] + samples[2:]
    full = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4
    green = samples[..., 1]
    cross = green[:-2, 1:-1] + green[2:, 1:-1] + green[1:-1, :-2] + green[1:-1, 2:]
    full[..., 1] = green[1:-1, 1:-1] + cross / 4
    return _reduce(full)


def _reduce(x: Floats) -> Floats:
    """Half the size: means of 2x2 pixels."""
    return (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4


def _transposed_convolution(x: Floats, overlap: float | Floats) -> Floats:
    """Twice the size: stride 2, kernel (1, 3, 3, 1)/4 per axis.

    Even outputs gain and odd ones lose by the fraction overlap (a number, or one per channel).
    """
    for _ in range(2):  # the rows, then the columns
        near = 3 * x
        # Beyond the border the reflected neighbour stands in, so that the trace keeps its period.
        even = near + np.concatenate([x[1:2], x[:-1]])
        odd = near + np.concatenate([x[1:], x[-2:-1]])
        up = np.empty((2 * len(x), *x.shape[1:]), dtype=np.float32)
        up[::2], up[1::2] = even * ((1 + overlap) / 4), odd * ((1 - overlap) / 4)
        x = up.swapaxes(0, 1)
    return x


def _generator(photo: Floats, rng: np.random.Generator) -> Floats:
    """A generator's last two upsampling stages: less fine detail, periodic gain, added noise."""
    half = _reduce(photo)
    quarter = _reduce(half)
    overlap = _OVERLAP * np.float32(rng.uniform(*_OVERLAP_SPREAD))
    overlap *= np.float32(rng.uniform() >= _WITHOUT_TRACE)
    coarse = half - _transposed_convolution(quarter, 0) + _transposed_convolution(quarter, overlap)
    fine = photo - _transposed_convolution(half, 0)
    out = _transposed_convolution(coarse, 0) + _DETAIL_KEPT * fine
    sigma = _noise_sigma(out.mean(axis=-1, keepdims=True))
    noise = sigma * rng.standard_normal((*out.shape[:2], 1), dtype=np.float32)
    target = len(_jpeg(_to_uint8(photo)))
    low, high = 0.0, 2.0
    for _ in range(6):  # just enough noise to make the file as long as the photograph's
        level = (low + high) / 2
        too_short = len(_jpeg(_to_uint8(out + level * noise))) < target
        low, high = (level, high) if too_short else (low, level)
    return out + low * noise


def _to_uint8(pixels: Floats) -> NDArray[np.uint8]:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """The JPEG file of an image: the same encoder and settings for both classes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(
        buffer, format="JPEG", quality=JPEG_QUALITY, subsampling=0, comment=MARK
    )
    return buffer.getvalue()


def make_image(kind: str, size: int, seed_key: tuple[int, ...]) -> NDArray[np.uint8]:
    """One portrait as a camera ('real') or a generator ('fake') would deliver it, before JPEG.

    A pure function of its arguments. The same key and size give the same portrait in both kinds, so
    the two can be compared pixel by pixel.

    Args:
        kind: 'fake' or 'real'.
        size: side in pixels, a multiple of 8 from 40 to 256.
        seed_key: integers >= 0.

    Returns:
        uint8 array (size, size, 3), RGB, 0..255.

    Raises:
        ValueError: for another kind, size or a negative number in the key.
    """
    if kind not in CLASSES or size not in SIZES:
        raise ValueError(f"kind must be 'fake' or 'real' and size in {SIZES}: {kind!r}, {size}")
    scene = draw_portrait(np.random.default_rng([*seed_key, 0]), 2 * size)
    rng = np.random.default_rng([*seed_key, 1])
    pixels = _camera(scene, rng)
    if kind == "fake":  # what a generator trained on photographs would deliver
        pixels = _generator(pixels, rng)
    return _to_uint8(pixels)
