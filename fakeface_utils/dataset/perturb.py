"""Damage to images: what happens to pictures, controls, and filters by frequency.

An original is decoded at its own size, damaged in memory as uint8, and only then resized as every
image of the study is: a file that is saved again would add a damage of its own. Frequencies are
those of the network's input, so that a cut-off means the same for originals of every size.
"""

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import PIL.Image
import scipy.fft
import scipy.ndimage
from PIL.JpegImagePlugin import get_sampling

from ..common.errors import StudyError
from ..study.artefacts import read_manifest
from ..study.robustness import Damage
from ..study.settings import Study
from .decode import UNREADABLE, as_input, open_header, open_rgb, reason
from .folder import Folder, Zip

BILINEAR, BICUBIC = PIL.Image.Resampling.BILINEAR, PIL.Image.Resampling.BICUBIC
HALVED = 2  # Pillow's number for 4:2:0: colours at half the resolution
REFERENCE = 256  # pixels a side of the paper's images, for which blur and chain are given
ORDER = 4  # of the Butterworth filter: an edge soft enough not to ring
NOISE, CHAIN = 0, 1  # what an image's own random numbers are drawn for

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Original:
    """A decoded image and what its file was like.

    Attributes:
        image: RGB at its own size.
        sha256: of the file, the seed of the image's own random numbers.
        tables: a JPEG's quantization tables; empty for other files.
        subsampling: of a JPEG's colours, Pillow's number; -1 for another or none.
    """

    image: PIL.Image.Image
    sha256: str
    tables: dict[int, list[int]]
    subsampling: int

    @property
    def side(self) -> int:
        """Pixels of the shorter side."""
        return min(self.image.size)


def chosen(study: Study) -> pd.DataFrame:
    """At most `beyond_images` test images of each class, drawn with seed 0, in the old order.

    Returns:
        Their rows of the manifest.
    """
    manifest = read_manifest(study, "test")
    rows: list[int] = []
    for label in (0, 1):
        members = np.flatnonzero(manifest["label"] == label)
        rows += list(np.random.default_rng(0).permutation(members)[: study.beyond_images])
    return manifest.iloc[sorted(rows)]


def read_original(source: Folder | Zip, path: str, sha256: str) -> Original:
    """Read and decode an image of the study.

    Raises:
        StudyError: it can't be read any more.
    """
    try:
        return open_original(source.read(path), sha256)
    except UNREADABLE as error:
        raise StudyError(
            f"{path} can't be read any more ({reason(error)}): put the image back and run again"
        ) from error


def open_original(raw: bytes, sha256: str) -> Original:
    """Decode an image file; raises as `open_rgb`."""
    with open_header(raw) as file:
        tables, subsampling = getattr(file, "quantization", {}), get_sampling(file)
    return Original(open_rgb(raw)[0], sha256, tables, subsampling)


def as_jpeg(image: PIL.Image.Image, **options: Any) -> bytes:
    """The bytes of an image saved as JPEG, with Pillow's options."""
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def _through_jpeg(image: PIL.Image.Image, **options: Any) -> PIL.Image.Image:
    return open_rgb(as_jpeg(image, **options))[0]


def jpeg(original: Original, quality: float) -> PIL.Image.Image:
    """Saved with another quality and the file's own subsampling; 4:2:0 where it has none."""
    subsampling = original.subsampling if original.subsampling >= 0 else HALVED
    return _through_jpeg(original.image, quality=int(quality), subsampling=subsampling)


def resave(original: Original, _: float) -> PIL.Image.Image | None:
    """Saved as it was saved before; None where the file is no JPEG or a rare kind."""
    if not original.tables or original.subsampling < 0:
        return None
    tables, subsampling = original.tables, original.subsampling
    return _through_jpeg(original.image, qtables=tables, subsampling=subsampling)


def flip(original: Original, _: float) -> PIL.Image.Image:
    """Left and right exchanged."""
    return original.image.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)


def blur(original: Original, sigma: float) -> PIL.Image.Image:
    """A Gaussian blur of each channel; sigma in pixels of an image of `REFERENCE`."""
    own = sigma * original.side / REFERENCE
    pixels = np.asarray(original.image, dtype="float32")
    return PIL.Image.fromarray(as_bytes(scipy.ndimage.gaussian_filter(pixels, (own, own, 0))))


def scale(original: Original, share: float) -> PIL.Image.Image:
    """Made smaller, bilinear and antialiased, and enlarged again, bicubic."""
    image = original.image
    small = [max(round(share * length), 1) for length in image.size]
    return image.resize((small[0], small[1]), BILINEAR).resize(image.size, BICUBIC)


def crop(original: Original, share: float) -> PIL.Image.Image:
    """The middle, so much of each side."""
    width, height = original.image.size
    left, top = round(width * (1 - share) / 2), round(height * (1 - share) / 2)
    return original.image.crop((left, top, width - left, height - top))


def noise(original: Original, deviation: float) -> PIL.Image.Image:
    """Gaussian noise on every pixel and channel, for one image the same in every run."""
    pixels = np.asarray(original.image)
    drawn = _random(original.sha256, NOISE).normal(0, deviation, pixels.shape)
    return PIL.Image.fromarray(as_bytes(pixels + drawn))


def chain(original: Original, _: float) -> PIL.Image.Image:
    """What a social network may do, after Corvi et al. 2023: cropped, made smaller, saved."""
    drawn = chain_parameters(original.sha256, *original.image.size)
    left, top, side = drawn["left"], drawn["top"], drawn["side"]
    small = round(original.side * 200 / REFERENCE)
    image = original.image.crop((left, top, left + side, top + side))
    resized = image.resize((small, small), BILINEAR)
    return _through_jpeg(resized, quality=drawn["quality"], subsampling=HALVED)


def chain_parameters(sha256: str, width: int, height: int) -> dict[str, int]:
    """What the chain does to one image, drawn from its own seed.

    Returns:
        left, top and side of a square of 80 to 100 % of the shorter side, in pixels; and the JPEG
        quality, 65 to 95.
    """
    random, most = _random(sha256, CHAIN), min(width, height)
    side = int(random.integers(round(0.8 * most), most, endpoint=True))
    left, top = (int(random.integers(0, n - side, endpoint=True)) for n in (width, height))
    quality = int(random.integers(65, 95, endpoint=True))
    return {"left": left, "top": top, "side": side, "quality": quality}


def _random(sha256: str, purpose: int) -> np.random.Generator:
    return np.random.default_rng([int(sha256, 16), purpose])


WAYS: dict[str, Callable[[Original, float], PIL.Image.Image | None]] = {
    "clean": lambda original, _: original.image,
    "jpeg": jpeg,
    "blur": blur,
    "scale": scale,
    "crop": crop,
    "noise": noise,
    "chain": chain,
    "flip": flip,
    "resave": resave,
}


def damaged(original: Original, damage: Damage, size: int, resize_filter: str) -> Pixels | None:
    """The network's input after a damage.

    Args:
        original: the image.
        damage: of any family but swap, which takes two images.
        size: pixels a side of the input.
        resize_filter: the study's, a key of `FILTERS`.

    Returns:
        (size, size, 3) uint8; None where the damage doesn't apply, see `resave`.
    """
    level = damage.level or 0.0
    if damage.family in FILTERED:
        return FILTERED[damage.family](as_input(original.image, size, resize_filter), level)
    image = WAYS[damage.family](original, level)
    return None if image is None else as_input(image, size, resize_filter)


def as_bytes(values: Floats) -> Pixels:
    """Rounded, and cut at 0 and 255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


@functools.cache
def _passed(size: int, cutoff: float) -> Floats:
    """How much of each frequency a low-pass leaves, for `rfft2`: half at the cut-off."""
    across, down = scipy.fft.rfftfreq(size, 0.5), scipy.fft.fftfreq(size, 0.5)  # 1 is Nyquist
    radius = np.hypot(down[:, None], across)
    return (1 / (1 + (radius / cutoff) ** (2 * ORDER))).astype("float32")[..., None]


def low_band(pixels: Pixels, cutoff: float) -> Floats:
    """What lies below a cut-off, mean colour included; the rest of the image lies above.

    A radial Butterworth filter on each channel.

    Args:
        pixels: (size, size, 3).
        cutoff: as a share of Nyquist.
    """
    spectrum = scipy.fft.rfft2(pixels.astype("float32"), axes=(0, 1))
    spectrum *= _passed(len(pixels), cutoff)
    return scipy.fft.irfft2(spectrum, s=pixels.shape[:2], axes=(0, 1))


def low_pass(pixels: Pixels, cutoff: float) -> Pixels:
    """Only what lies below a cut-off, see `low_band`."""
    return as_bytes(low_band(pixels, cutoff))


def high_pass(pixels: Pixels, cutoff: float) -> Pixels:
    """Only what lies above a cut-off, on the mean colour."""
    return as_bytes(pixels - low_band(pixels, cutoff) + pixels.mean(axis=(0, 1)))


def swap(low: Pixels, high: Pixels, cutoff: float) -> Pixels:
    """The low band of one image with the high band of another."""
    return as_bytes(low_band(low, cutoff) + high - low_band(high, cutoff))


FILTERED = {"low_pass": low_pass, "high_pass": high_pass}
