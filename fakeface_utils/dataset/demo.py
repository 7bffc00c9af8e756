"""A small generated stand-in for '140k real and fake faces': portraits drawn from a seed.

Every image starts as a parametric portrait (`portrait.py`). A camera photographs it: a Bayer mosaic
(RGGB) with shot and read noise, bilinear demosaicing, half the size. Both classes draw their
portraits from the same distribution. What follows is the model of the problem:

- 'real' is that photograph.
- 'fake' is what a generator trained on such photographs would deliver: its last two upsampling
  stages are transposed convolutions of stride 2 whose overlapping kernels are not balanced. The
  gain differs between even and odd outputs, and between colour channels, which leaves a trace of
  period 4 (Odena, Dumoulin and Olah 2016, 'Deconvolution and Checkerboard Artifacts'; Zhang,
  Karaman and Chang 2019, 'Detecting and Simulating Artifacts in GAN Fake Images' (AutoGAN); Durall,
  Keuper and Keuper 2020, 'Watch your Up-Convolution'). Some of the finest detail is lost, and
  per-pixel noise takes its place, as in StyleGAN: as much as makes the JPEG file as long as the
  photograph's, so that file sizes carry no class.

A few fakes carry no periodic trace. Both classes end in the same JPEG encoder with the same
settings. Neither a person at normal zoom nor a cheap cue (mean colour, 8x8 thumbnail at 64 pixels,
file size, JPEG tables, file name) tells the classes apart; a network that sees the pixels can.
Results on these images say nothing about photographs.
"""

import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path

import joblib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..progress import progress
from .canvas import Floats
from .folder import CLASSES, SPLITS
from .portrait import draw_portrait

MARK = "fakeface demo: generated image, not a photograph"
IMAGES_PER_CLASS = {"train": 500, "valid": 150, "test": 300}
SIZES = range(40, 257, 8)  # sides in pixels that the trace and the reductions fit
JPEG_QUALITY = 95

_VERSION = 1  # part of every file name: raise it when the images change
_READ_NOISE = 1.2  # grey levels
_SHOT_NOISE = 0.2  # variance per grey level of signal
_DETAIL_KEPT = 0.8  # of the finest octave, in the fakes
# The gain difference of even and odd outputs: red, green and blue nearly cancel in lightness, so
# that the trace is not seen. Its strength varies between images, by a factor within the spread.
_OVERLAP = np.array([0.06, -0.036, 0.048], dtype=np.float32)
_OVERLAP_SPREAD = (0.6, 1.4)
_WITHOUT_TRACE = 0.04  # of the fakes: as with real generators, no detector finds them all


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
        # Past the border the reflected neighbour: the trace keeps its period there.
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
    for _ in range(6):  # as much noise as makes the file as long as the photograph's
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


_Task = tuple[str, int, tuple[int, ...], Path]


def _file_name(key: tuple[int, ...], size: int) -> str:
    """A name that tells neither the class nor the order."""
    return hashlib.sha256(repr((_VERSION, key, size)).encode()).hexdigest()[:12] + ".jpg"


def _is_whole(path: Path, size: int) -> bool:
    """Whether the file is a complete JPEG that generate wrote at this size."""
    try:
        data = path.read_bytes()
        with Image.open(path) as image:  # reads the header only
            ours = image.size == (size, size) and image.info.get("comment") == MARK.encode()
    except OSError:
        return False
    return ours and data.endswith(b"\xff\xd9")


def _write(kind: str, size: int, key: tuple[int, ...], path: Path) -> None:
    """Make one file; under its own name only once it is complete."""
    part = path.with_suffix(".part")
    part.write_bytes(_jpeg(make_image(kind, size, key)))
    os.replace(part, path)


def _plan(folder: Path, images_per_class: Mapping[str, int], size: int, seed: int) -> list[_Task]:
    """Every file of the set, split by split, the classes in turn."""
    layout = folder / "real_vs_fake" / "real-vs-fake"
    return [
        (kind, size, key, layout / split / kind / _file_name(key, size))
        for split, number in images_per_class.items()
        for index in range(number)
        for label, kind in enumerate(CLASSES)
        for key in [(seed, SPLITS.index(split), label, index)]
    ]


def _clear_parts(folders: set[Path], wanted: set[Path]) -> None:
    """Make the folders, remove what an interrupted call left, and refuse files of another set."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        for part in folder.glob("*.part"):
            part.unlink(missing_ok=True)
        other = next((path for path in folder.glob("*.jpg") if path not in wanted), None)
        if other is not None:
            raise FileExistsError(f"{other} is not part of this set: choose an empty folder")


def generate(folder: Path, images_per_class: Mapping[str, int], size: int, seed: int = 0) -> None:
    """Write the set as folder/real_vs_fake/real-vs-fake/{train,valid,test}/{fake,real}/NAME.jpg.

    Image number i of a split and class depends on (seed, split, class, i, size) alone, so a smaller
    set is the beginning of a larger one. Files already there and whole are kept: an interrupted
    call can be repeated and ends in the same state. Runs on all cores; Ctrl-C stops it promptly.

    Args:
        folder: where to write; made if missing.
        images_per_class: number of images of each class for 'train', 'valid' and 'test'.
        size: side in pixels, a multiple of 8 from 40 to 256.
        seed: integer >= 0.

    Raises:
        ValueError: for an unknown split, a negative number or seed, or another size.
        FileExistsError: when a class folder holds files of another set (another seed or size, or
            more images).
        OSError: when a file cannot be written.
    """
    unknown = set(images_per_class) - set(SPLITS)
    if unknown or any(number < 0 for number in images_per_class.values()) or seed < 0:
        raise ValueError(
            f"splits must be of {SPLITS}, numbers and seed >= 0: {dict(images_per_class)}, {seed}"
        )
    if size not in SIZES:
        raise ValueError(f"size must be in {SIZES}: {size}")
    plan = _plan(Path(folder).absolute(), images_per_class, size, seed)
    _clear_parts({task[3].parent for task in plan}, {task[3] for task in plan})
    tasks = [task for task in plan if not _is_whole(task[3], size)]
    pool = joblib.Parallel(n_jobs=-1, return_as="generator_unordered")
    with progress(len(tasks), "drawing", "image") as bar:
        for _ in pool(joblib.delayed(_write)(*task) for task in tasks):
            bar.update()
