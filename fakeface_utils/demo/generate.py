"""A small drawn stand-in for '140k real and fake faces', in the Kaggle archive's layout.

Both classes draw their portraits (`portrait.py`) from the same distribution; `camera.py` makes them
real or fake. The set depends on its arguments alone.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from ..paper import CLASSES, SPLITS
from ..settings import Study
from ..step import step
from ..util import StudyError, home, progress, shown
from .camera import MARK, make_image, to_jpeg
from .portrait import Key, look

SIZES = range(40, 257, 8)  # pixels a side that the trace and the reductions fit
IMAGES_PER_CLASS = {"train": 500, "valid": 150, "test": 300}
HASH_DISTANCE = 14  # of 64 bits, and
DIFFERENCE = 18  # grey levels: a portrait this close to an earlier one is drawn again
_VERSION = 2  # part of every file name: raise it when the images change


def images_per_class(study: Study) -> dict[str, int]:
    """How many images of each class are drawn for each split."""
    given = study.images_per_class
    return dict.fromkeys(SPLITS, given) if given else IMAGES_PER_CLASS


def _folder(study: Study) -> Path:
    count = f"-{study.images_per_class}" if study.images_per_class else ""
    return home("data") / f"demo-{study.stored_size}px{count}"


@step(
    "01_dataset",
    writes=["images"],
    settings=lambda study: {"side": study.stored_size, "images": images_per_class(study)},
    folder=_folder,
)
def draw_demo(study: Study, out: Path) -> None:
    """Draw the demo's images in the Kaggle archive's layout."""
    if study.image_size % 7 or study.stored_size not in SIZES:
        raise StudyError(
            f"image_size is {study.image_size}: drawn images need a multiple of 7 from 35 to 224"
        )
    for path in _folder(study).glob("images/**/*.*"):  # those there are replaced
        if path.is_file() and MARK.encode() not in path.read_bytes():
            raise StudyError(f"{shown(path)} is not a drawn image: move it to another folder")
    generate(out / "images", images_per_class(study), study.stored_size)


def generate(folder: Path, numbers: Mapping[str, int], size: int) -> None:
    """Write folder/real_vs_fake/real-vs-fake/{train,valid,test}/{fake,real}/NAME.jpg.

    No two portraits of a set are near-duplicates. `numbers` are images of each class for each
    split, `size` is one of `SIZES`.
    """
    members = [
        (split, kind, (0, SPLITS.index(split), label, index))
        for split, number in numbers.items()
        for index in range(number)
        for label, kind in enumerate(CLASSES)
    ]
    layout = folder / "real_vs_fake" / "real-vs-fake"
    keys = unlike_each_other([key for *_, key in members], size)
    files = {
        layout / split / kind / file_name(key, size): (kind, size, key)
        for (split, kind, _), key in zip(members, keys, strict=True)
    }
    write_images(make_image, files)


def write_images(
    make: Callable[..., NDArray[np.uint8]], files: Mapping[Path, tuple[Any, ...]]
) -> None:
    """Write what `make` draws from each file's arguments, on all cores."""
    for folder in {path.parent for path in files}:
        folder.mkdir(parents=True, exist_ok=True)
    pool = joblib.Parallel(n_jobs=-1, return_as="generator")
    contents = pool(joblib.delayed(_content)(make, arguments) for arguments in files.values())
    with progress(len(files), "drawing", "image") as bar:
        for path, content in zip(files, contents, strict=True):
            path.write_bytes(content)
            bar.update()


def _content(make: Callable[..., NDArray[np.uint8]], arguments: tuple[Any, ...]) -> bytes:
    return to_jpeg(make(*arguments))


def file_name(key: Key, size: int) -> str:
    """A name that gives away neither the class nor the order."""
    return hashlib.sha256(repr((_VERSION, key, size)).encode()).hexdigest()[:12] + ".jpg"


def unlike_each_other(keys: list[Key], size: int) -> list[Key]:
    """The keys, each extended by how often its portrait is redrawn to resemble no earlier one.

    Portraits differ in few features, so some pairs would be near-duplicates by chance. The limits
    leave room for the camera or generator, and the JPEG, that the pictures still go through.
    """
    pool = joblib.Parallel(n_jobs=-1)
    looks = pool(joblib.delayed(look)((*key, 0), size) for key in keys)
    hashes = np.array([bits for bits, _ in looks])
    pixels = np.stack([small for _, small in looks]).astype(np.int16)
    attempts = [0] * len(keys)
    for place, key in enumerate(keys):
        while True:
            bits = np.bitwise_count(hashes[place] ^ hashes[:place])
            near = np.flatnonzero(bits <= HASH_DISTANCE)
            apart = np.abs(pixels[near] - pixels[place]).mean(axis=(1, 2, 3))
            if not (apart < DIFFERENCE).any():
                break
            attempts[place] += 1
            hashes[place], pixels[place] = look((*key, attempts[place]), size)
    return [(*key, attempt) for key, attempt in zip(keys, attempts, strict=True)]
