"""What happens to a picture on its way, controls that should change nothing, and filters.

A damage is a function with its record above it: add one, and it is asked about, tested and shown.
An original is decoded at its own size, damaged in memory, and only then resized as every image of
the study is: a file that is saved again would add a damage of its own.
"""

import ast
import functools
import io
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import scipy.fft
import scipy.ndimage

from fakeface_utils.image_files import Original, as_input, decode
from fakeface_utils.settings import Study
from fakeface_utils.util import sha256

REFERENCE = 256  # pixels a side of the paper's images, for which blur and chain are given
CUTOFFS = (1 / 8, 1 / 4, 3 / 8, 1 / 2, 3 / 4)  # of Nyquist, the finest detail pixels can hold
ORDER = 4  # of the Butterworth filter: an edge soft enough not to ring
BILINEAR, BICUBIC = PIL.Image.Resampling.BILINEAR, PIL.Image.Resampling.BICUBIC

Image = PIL.Image.Image
Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Damage:
    """One kind of damage."""

    # Of an original and a level; of networks' inputs for a filter, and for an attack, which has
    # their slopes too: where their answers change most, away from the true class.
    change: Callable[..., Any]
    title: str
    levels: tuple[float, ...] = (0,)  # its strengths, the weakest first; so where there is but one
    axis: str = ""  # what a level is
    tick: Callable[[float], str] = "{:g}".format  # a level in words
    kind: str = "damage"  # that pictures meet; "control", that should change no answer; "filter";
    # "mix", a filter of two images; or "attack" on each network by its slope

    def words(self, level: float) -> str:
        """What a person calls it, as 'JPEG 75 (quality)'."""
        one = self.levels == (0,)
        return self.title if one else f"{self.title} {self.tick(level)} ({self.axis})"

    def input(self, study: Study, level: float, *of: Original) -> Pixels | None:
        """What the networks are shown, (size, size, 3); None where it doesn't apply to a file.

        Of an attack it is what they were shown before.
        """
        size, resize = study.image_size, study.resize_filter
        if self.kind == "attack":
            return as_input(of[0].image, size, resize)
        if self.kind in ("filter", "mix"):  # a cut-off then means the same for every original
            return self.change(*(as_input(one.image, size, resize) for one in of), level)
        image = self.change(*of, level)
        return None if image is None else as_input(image, size, resize)


DAMAGES: dict[str, Damage] = {}


def damage(*record: Any, **more: Any) -> Callable[[Callable], Callable]:
    """Make a function of an image and a level a damage, of its own name; see `Damage`."""

    def named(change: Callable) -> Callable:
        DAMAGES[change.__name__] = Damage(change, *record, **more)
        return change

    return named


def levels() -> dict[str, tuple[str, float]]:
    """Every damage at each strength, by a name such as 'jpeg-75': its family and level."""
    return {
        name if one.levels == (0,) else f"{name}-{level:g}": (name, level)
        for name, one in DAMAGES.items()
        for level in one.levels
    }


def digest_of(family: str) -> str:
    """Digest of what a damage does: its own function and what all share, but no other damage."""
    return _digests(Path(__file__).read_bytes())[family]


@functools.cache
def _digests(module: bytes) -> dict[str, str]:
    nodes = ast.parse(module).body
    own = {n.name: n for n in nodes if isinstance(n, ast.FunctionDef) and n.name in DAMAGES}
    for node in own.values():
        node.decorator_list = []  # another level is another question
    shared = "\n".join(ast.unparse(node) for node in nodes if node not in own.values())
    return {name: sha256(f"{shared}\n{ast.unparse(n)}".encode()) for name, n in own.items()}


def as_fraction(share: float) -> str:
    """A share in words, as '3/8'."""
    return str(Fraction(share).limit_denominator(16))


def as_bytes(values: Floats) -> Pixels:
    """Rounded, and cut at 0 and 255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def as_jpeg(image: Image, **options: Any) -> bytes:
    """The bytes of an image saved as JPEG, with Pillow's options."""
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def mirrored(image: Image, across: int, down: int) -> Image:
    """An image with so many pixels more on each side, which mirror it."""
    return PIL.Image.fromarray(
        np.pad(np.asarray(image), [(down, down), (across, across), (0, 0)], "symmetric")
    )


def random_of(original: Original, purpose: int) -> np.random.Generator:
    """Random numbers that are the same for this image in every run; each purpose has its own."""
    return np.random.default_rng([int(original.sha256, 16), purpose])


@damage("Undamaged", kind="control")
def clean(original: Original, _: float) -> Image:
    """Nothing."""
    return original.image


@damage("JPEG", (95, 90, 75, 65, 50, 30), "quality")
def jpeg(original: Original, quality: float) -> Image:
    """Saved with another quality and the file's own subsampling; 4:2:0 where it has none."""
    subsampling = original.subsampling if original.subsampling >= 0 else "4:2:0"
    raw = as_jpeg(original.image, quality=int(quality), subsampling=subsampling)
    return decode(raw).image


@damage("Blur", (0.5, 1, 2, 3, 4), "sigma, of 256 pixels")
def blur(original: Original, sigma: float) -> Image:
    """A Gaussian blur of each channel, scaled with the image's own side."""
    own = sigma * min(original.image.size) / REFERENCE
    pixels = np.asarray(original.image, dtype="float32")
    return PIL.Image.fromarray(as_bytes(scipy.ndimage.gaussian_filter(pixels, (own, own, 0))))


@damage("Down and back", (3 / 4, 1 / 2, 7 / 16, 1 / 4), "share of the side", as_fraction)
def scale(original: Original, share: float) -> Image:
    """Made smaller, bilinear and antialiased, and enlarged again, bicubic."""
    image = original.image
    width, height = (max(round(share * length), 1) for length in image.size)
    return image.resize((width, height), BILINEAR).resize(image.size, BICUBIC)


@damage("Cropped", (0.95, 0.9, 0.8), "share of the side", "{:.0%}".format)
def crop(original: Original, share: float) -> Image:
    """The middle, so much of each side."""
    width, height = original.image.size
    left, top = round(width * (1 - share) / 2), round(height * (1 - share) / 2)
    return original.image.crop((left, top, width - left, height - top))


@damage("Shifted", (1, 2, 4, 8), "pixels, of 256")
def shift(original: Original, pixels: float) -> Image | None:
    """Moved up, down, left or right, drawn for each image; what is uncovered mirrors the rest.

    By whole pixels of the file, as anything between would blur; None where it would be less.
    """
    step = round(pixels * min(original.image.size) / REFERENCE)
    if not step:
        return None
    axis, away = random_of(original, 2).integers(0, 2, 2)
    across, down = [(step * (2 * int(away) - 1) if axis == way else 0) for way in (0, 1)]
    image = np.asarray(mirrored(original.image, step, step))
    (width, height), left, top = original.image.size, step - across, step - down
    return PIL.Image.fromarray(image[top : top + height, left : left + width])


@damage("Zoomed out", (0.95, 0.9, 0.8), "share of the side", "{:.0%}".format)
def zoom_out(original: Original, share: float) -> Image:
    """The whole image at so much of the side, what is around mirrors it; cropping zooms in."""
    return mirrored(original.image, *(round(n * (1 / share - 1) / 2) for n in original.image.size))


@damage("Noise", (5, 10, 20), "deviation, of 255")
def noise(original: Original, deviation: float) -> Image:
    """Gaussian noise on every pixel and channel, for one image the same in every run."""
    pixels = np.asarray(original.image)
    drawn = random_of(original, 0).normal(0, deviation, pixels.shape)
    return PIL.Image.fromarray(as_bytes(pixels + drawn))


@damage("Chain")
def chain(original: Original, _: float) -> Image:
    """What a social network may do, after Corvi et al. 2023: cropped, made smaller, saved.

    A square of 80 to 100 % of the shorter side becomes 200 of 256 pixels, and a JPEG of quality 65
    to 95; place, side and quality are drawn for each image.
    """
    random, most = random_of(original, 1), min(original.image.size)
    side = int(random.integers(round(0.8 * most), most, endpoint=True))
    left, top = (int(random.integers(0, n - side, endpoint=True)) for n in original.image.size)
    quality = int(random.integers(65, 95, endpoint=True))
    small = round(most * 200 / REFERENCE)
    image = original.image.crop((left, top, left + side, top + side))
    raw = as_jpeg(image.resize((small, small), BILINEAR), quality=quality, subsampling="4:2:0")
    return decode(raw).image


@damage("Flipped", kind="control")
def flip(original: Original, _: float) -> Image:
    """Left and right exchanged: a real face stays real, and a fake one fake."""
    return original.image.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)


@damage("Saved again", kind="control")
def resave(original: Original, _: float) -> Image | None:
    """Saved as it was saved before; None where the file is no JPEG or a rare kind."""
    tables, subsampling = original.tables, original.subsampling
    if not tables or subsampling < 0:
        return None
    return decode(as_jpeg(original.image, qtables=tables, subsampling=subsampling)).image


# Filters by frequency, on the network's input.


@functools.cache
def _passed(size: int, cutoff: float) -> Floats:
    """How much of each frequency a low-pass leaves, for `rfft2`: half at the cut-off."""
    across, down = scipy.fft.rfftfreq(size, 0.5), scipy.fft.fftfreq(size, 0.5)  # 1 is Nyquist
    radius = np.hypot(down[:, None], across)
    return (1 / (1 + (radius / cutoff) ** (2 * ORDER))).astype("float32")[..., None]


def low_band(pixels: Pixels, cutoff: float) -> Floats:
    """What lies below a cut-off, mean colour included; the rest of the image lies above."""
    spectrum = scipy.fft.rfft2(pixels.astype("float32"), axes=(0, 1))
    spectrum *= _passed(len(pixels), cutoff)
    return scipy.fft.irfft2(spectrum, s=pixels.shape[:2], axes=(0, 1))


@damage("Low-pass", CUTOFFS[::-1], "cut, of Nyquist", as_fraction, "filter")
def low_pass(pixels: Pixels, cutoff: float) -> Pixels:
    """Only what lies below a cut-off."""
    return as_bytes(low_band(pixels, cutoff))


@damage("High-pass", CUTOFFS, "cut, of Nyquist", as_fraction, "filter")
def high_pass(pixels: Pixels, cutoff: float) -> Pixels:
    """Only what lies above a cut-off, on the mean colour."""
    return as_bytes(pixels - low_band(pixels, cutoff) + pixels.mean(axis=(0, 1)))


@damage("Mixed", CUTOFFS, "cut, of Nyquist", as_fraction, "mix")
def swap(low: Pixels, high: Pixels, cutoff: float) -> Pixels:
    """The low band of one image with the high band of another."""
    return as_bytes(low_band(low, cutoff) + high - low_band(high, cutoff))


@damage("FGSM", (1, 2, 4), "grey levels, of 255", kind="attack")
def fgsm(pixels: Pixels, slopes: Floats, level: float) -> Pixels:
    """Each value of the network's input by so much to where it errs (Goodfellow et al. 2015)."""
    return as_bytes(pixels + level * np.sign(slopes))
