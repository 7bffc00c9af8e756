"""A camera and a generator: what makes a portrait real or fake.

'real' is a photograph: a Bayer mosaic (RGGB) with shot and read noise, bilinear demosaicing, half
the size. 'fake' is what a generator trained on such photographs would deliver: its last two
upsampling stages are transposed convolutions of stride 2 whose gain differs between even and odd
outputs, and between colour channels. That leaves a trace of period 4 (Odena et al. 2016,
'Deconvolution and Checkerboard Artifacts'; Zhang et al. 2019, 'Detecting and Simulating Artifacts
in GAN Fake Images'; Durall et al. 2020, 'Watch your Up-Convolution'). Some of the finest detail is
lost, and per-pixel noise takes its place, as in StyleGAN: just enough to make the JPEG file as long
as the photograph's. A few fakes carry no periodic trace. Both end in the same JPEG encoder.

Neither a person at normal zoom nor a cheap cue can tell them apart; a network that gets the pixels
can. Results on them say nothing about photographs.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .portrait import Floats, Key, draw_portrait

MARK = "fakeface demo: generated image, not a photograph"  # the comment in every file

_READ_NOISE = 1.2  # grey levels
_SHOT_NOISE = 0.2  # variance per grey level of signal
_DETAIL_KEPT = 0.8  # of the finest octave, in the fakes
# The gain difference of even and odd outputs: red, green and blue nearly cancel in lightness, so
# that the trace is invisible. Its strength varies between images, by a factor within the spread.
_OVERLAP = np.array([0.06, -0.036, 0.048], dtype=np.float32)
_OVERLAP_SPREAD = (0.6, 1.4)
_WITHOUT_TRACE = 0.04  # share of the fakes: as with real generators, no detector finds them all


def make_image(kind: str, size: int, key: Key) -> NDArray[np.uint8]:
    """A portrait (size, size, 3) as a camera ('real') or a generator ('fake') would deliver it.

    The same key and size give the same portrait in both kinds, to be compared pixel by pixel. The
    size is a multiple of 8 from 40.
    """
    photo, rng = photograph(size, key)
    return to_uint8(_generator(photo, rng) if kind == "fake" else photo)


def photograph(size: int, key: Key) -> tuple[Floats, np.random.Generator]:
    """A portrait (size, size, 3) as the camera delivers it, and what a generator draws from."""
    scene = draw_portrait(np.random.default_rng([*key, 0]), 2 * size)
    rng = np.random.default_rng([*key, 1])
    red, blue = np.zeros((2, *scene.shape[:2]), dtype=np.float32)
    red[::2, ::2] = blue[1::2, 1::2] = 1
    masks = np.stack([red, 1 - red - blue, blue], axis=-1)
    raw = (scene * masks).sum(axis=-1)
    raw = raw + _noise_sigma(raw) * rng.standard_normal(raw.shape, dtype=np.float32)
    border = ((1, 1), (1, 1), (0, 0))
    samples = np.pad(raw[..., None] * masks, border, mode="reflect")  # keeps the parity
    rows = samples[:-2] + 2 * samples[1:-1] + samples[2:]
    full = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4
    green = samples[..., 1]
    cross = green[:-2, 1:-1] + green[2:, 1:-1] + green[1:-1, :-2] + green[1:-1, 2:]
    full[..., 1] = green[1:-1, 1:-1] + cross / 4
    return halve(full), rng


def to_uint8(pixels: Floats) -> NDArray[np.uint8]:
    """Rounded, and cut at 0 and 255."""
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def to_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """The file of an image: the same encoder, settings and mark for both classes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=95, subsampling=0, comment=MARK)
    return buffer.getvalue()


def halve(x: Floats) -> Floats:
    """Half the size: means of 2x2 pixels."""
    return (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4


def double(x: Floats, overlap: float | Floats = 0) -> Floats:
    """Twice the size, by a transposed convolution: stride 2, kernel (1, 3, 3, 1)/4 per axis.

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


def as_long_as(photo: Floats, image: Floats, rng: np.random.Generator) -> Floats:
    """An image with just so much grey noise that its JPEG file is as long as the photograph's."""
    sigma = _noise_sigma(image.mean(axis=-1, keepdims=True))
    noise = sigma * rng.standard_normal((*image.shape[:2], 1), dtype=np.float32)
    target = len(to_jpeg(to_uint8(photo)))
    low, high = 0.0, 2.0
    for _ in range(6):
        level = (low + high) / 2
        too_short = len(to_jpeg(to_uint8(image + level * noise))) < target
        low, high = (level, high) if too_short else (low, level)
    return image + low * noise


def _noise_sigma(signal: Floats) -> Floats:
    """Standard deviation of a sensor's noise: shot noise grows with the signal."""
    return np.sqrt(_READ_NOISE**2 + _SHOT_NOISE * np.clip(signal, 0, 255))


def _generator(photo: Floats, rng: np.random.Generator) -> Floats:
    """The last two upsampling stages: less fine detail, periodic gain, added noise."""
    half = halve(photo)
    quarter = halve(half)
    overlap = _OVERLAP * np.float32(rng.uniform(*_OVERLAP_SPREAD))
    overlap *= np.float32(rng.uniform() >= _WITHOUT_TRACE)
    coarse = half - double(quarter) + double(quarter, overlap)
    return as_long_as(photo, double(coarse) + _DETAIL_KEPT * (photo - double(half)), rng)
