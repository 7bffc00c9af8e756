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
  per-pixel noise takes its place, as in StyleGAN: just enough to make the JPEG file as long as the
  photograph's, so that the file size doesn't give the class away.

A few fakes carry no periodic trace. Both classes end in the same JPEG encoder with the same
settings. Neither a person at normal zoom nor a cheap cue (mean colour, 8x8 thumbnail at 64 pixels,
file size, JPEG tables, file name) can tell the classes apart; a network that gets the pixels can.
Results on these images say nothing about photographs.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import joblib
import numpy as np
from PIL import Image

from ...common.progress import progress
from ...study.names import CLASSES, SPLITS
from ..alike import Bytes, distances, perceptual_hash, reduced
from ..decode import MARK
from .portrait import draw_portrait
from .traces import SIZES, _jpeg, make_image

IMAGES_PER_CLASS = {"train": 500, "valid": 150, "test": 300}

HASH_DISTANCE = 14  # of 64 bits, and
DIFFERENCE = 18  # grey levels: a portrait this close to an earlier one is drawn again

_VERSION = 2  # part of every file name: raise it when the images change

_Task = tuple[str, int, tuple[int, ...], Path]


def _file_name(key: tuple[int, ...], size: int) -> str:
    """A name that gives away neither the class nor the order."""
    return hashlib.sha256(repr((_VERSION, key, size)).encode()).hexdigest()[:12] + ".jpg"


def _is_whole(path: Path, size: int | None) -> bool:
    """Whether the file is a complete JPEG that `generate` wrote, at this size or at any."""
    try:
        data = path.read_bytes()
        with Image.open(path) as image:  # reads the header only
            ours = image.size == (size or image.width,) * 2
            ours &= image.info.get("comment") == MARK.encode()
    except OSError:
        return False
    return ours and data.endswith(b"\xff\xd9")


def _write(kind: str, size: int, key: tuple[int, ...], path: Path) -> None:
    """Make one file, which gets its name only once it is complete."""
    part = path.with_suffix(".part")
    part.write_bytes(_jpeg(make_image(kind, size, key)))
    os.replace(part, path)


def _look(key: tuple[int, ...], size: int) -> tuple[np.uint64, Bytes]:
    """A portrait's perceptual hash and its pixels at 32 px, before camera or generator."""
    scene = draw_portrait(np.random.default_rng([*key, 0]), 2 * size)
    small = reduced(scene.astype(np.uint8))
    return perceptual_hash(small), np.asarray(small.reduce(2))


def _unlike_each_other(
    keys: list[tuple[int, ...]], size: int, pool: joblib.Parallel
) -> list[tuple[int, ...]]:
    """The keys, each extended by how often its portrait is redrawn to resemble no earlier one.

    Portraits differ in few features, so some pairs would be near-duplicates by chance, and the
    demo's audit would report them. The limits leave room for the camera or generator, and the JPEG,
    that the pictures still go through: at 56 px no two are closer than 2.3 shifts (see `alike`).
    """
    looks = list(pool(joblib.delayed(_look)((*key, 0), size) for key in keys))
    hashes = np.array([bits for bits, _ in looks])
    pixels = np.stack([small for _, small in looks]).astype(np.int16)
    attempts = [0] * len(keys)
    for place, key in enumerate(keys):
        while True:
            near = np.flatnonzero(distances(hashes[place], hashes[:place]) <= HASH_DISTANCE)
            apart = np.abs(pixels[near] - pixels[place]).mean(axis=(1, 2, 3))
            if not (apart < DIFFERENCE).any():
                break
            attempts[place] += 1
            hashes[place], pixels[place] = _look((*key, attempts[place]), size)
    return [(*key, attempt) for key, attempt in zip(keys, attempts, strict=True)]


def _plan(
    folder: Path, images_per_class: Mapping[str, int], size: int, seed: int, pool: joblib.Parallel
) -> list[_Task]:
    """Every file of the set, split by split, the classes in turn."""
    layout = folder / "real_vs_fake" / "real-vs-fake"
    members = [
        (split, kind, (seed, SPLITS.index(split), label, index))
        for split, number in images_per_class.items()
        for index in range(number)
        for label, kind in enumerate(CLASSES)
    ]
    keys = _unlike_each_other([key for _, _, key in members], size, pool) if members else []
    return [
        (kind, size, key, layout / split / kind / _file_name(key, size))
        for (split, kind, _), key in zip(members, keys, strict=True)
    ]


def _clear(folders: set[Path], wanted: set[Path]) -> None:
    """Make the folders; remove what an interrupted call or another set left; refuse other files."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        for part in folder.glob("*.part"):
            part.unlink(missing_ok=True)
        for other in set(folder.glob("*.jpg")) - wanted:
            if not _is_whole(other, None):
                raise FileExistsError(f"{other} is not a generated image: choose an empty folder")
            other.unlink()


def remove(folder: Path) -> None:
    """Delete the images that `generate` wrote below a folder; other files stay."""
    for path in folder.rglob("*.jpg"):
        if _is_whole(path, None):
            path.unlink()


def generate(folder: Path, images_per_class: Mapping[str, int], size: int, seed: int = 0) -> None:
    """Write the set as folder/real_vs_fake/real-vs-fake/{train,valid,test}/{fake,real}/NAME.jpg.

    No two portraits of a set are near-duplicates by the audit's rule: one that resembles an earlier
    one is drawn again. The set depends on the arguments alone. Complete files are kept, so that an
    interrupted call can be repeated and ends in the same state. Runs on all cores; Ctrl-C stops it
    promptly.

    Args:
        folder: where to write; made if missing.
        images_per_class: number of images of each class for 'train', 'valid' and 'test'.
        size: side in pixels, a multiple of 8 from 40 to 256.
        seed: integer >= 0.

    Raises:
        ValueError: for an unknown split, a negative number or seed, or another size.
        FileExistsError: when a class folder holds an image that was not generated. Generated images
            of another set are removed.
        OSError: when a file cannot be written.
    """
    unknown = set(images_per_class) - set(SPLITS)
    if unknown or any(number < 0 for number in images_per_class.values()) or seed < 0:
        raise ValueError(
            f"splits must be of {SPLITS}, numbers and seed >= 0: {dict(images_per_class)}, {seed}"
        )
    if size not in SIZES:
        raise ValueError(f"size must be in {SIZES}: {size}")
    pool = joblib.Parallel(n_jobs=-1, return_as="generator")
    plan = _plan(Path(folder).absolute(), images_per_class, size, seed, pool)
    _clear({task[3].parent for task in plan}, {task[3] for task in plan})
    tasks = [task for task in plan if not _is_whole(task[3], size)]
    with progress(len(tasks), "drawing", "image") as bar:
        for _ in pool(joblib.delayed(_write)(*task) for task in tasks):
            bar.update()
