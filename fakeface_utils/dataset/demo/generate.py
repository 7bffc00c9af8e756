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
import os
from collections.abc import Mapping
from pathlib import Path

import joblib
from PIL import Image

from ...common.progress import progress
from ...study.names import CLASSES, SPLITS
from ..decode import MARK
from .traces import SIZES, _jpeg, make_image

IMAGES_PER_CLASS = {"train": 500, "valid": 150, "test": 300}

_VERSION = 1  # part of every file name: raise it when the images change

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
