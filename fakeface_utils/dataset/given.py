"""A person's own images: the files that names, folders and patterns stand for, and re-savings."""

import glob
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import PIL.Image

from ..common.errors import StudyError
from ..study.names import SUFFIXES
from .folder import Folder

QUALITIES = (95, 85, 75, 65, 50)
SMALLER = (0.75, 0.5)
RESAVINGS = len(QUALITIES) + len(SMALLER) + 1


def given_files(names: Sequence[str]) -> list[Path]:
    """The files that are meant, each once, in the order given; a folder's are sorted.

    A file is taken whatever its suffix, a folder's images at any depth, and of a pattern's matches
    ('*', '?', '[ab]'; '**' for any depth) the images and folders. Patterns are expanded here since
    Windows' shell doesn't. A name that exists is no pattern, whatever letters it has.

    Raises:
        StudyError: a name stands for no file, or a folder can't be listed.
    """
    return list(dict.fromkeys(path for name in names for path in _files(name)))


def _files(name: str) -> list[Path]:
    if os.path.isfile(name):
        return [Path(name)]
    if os.path.isdir(name):
        matches = [name]
    elif glob.has_magic(name):
        matches = sorted(glob.glob(name, recursive=True))
    else:
        raise StudyError(f"there is no file or folder {name}")
    images = [path for match in matches for path in _images(Path(match))]
    if not images:
        raise StudyError(f"there is no image ({', '.join(SUFFIXES)}) in {name}")
    return images


def _images(place: Path) -> list[Path]:
    """An image file itself, or all below a folder but hidden ones, sorted."""
    if not place.is_dir():
        return [place] if place.is_file() and place.suffix.lower() in SUFFIXES else []
    below = (Path(path) for path, kind in Folder(place).entries() if not kind)
    return sorted(
        place / path
        for path in below
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )


def resaved(image: PIL.Image.Image) -> Iterator[PIL.Image.Image]:
    """An image as other people's programs might have saved it, in memory: `RESAVINGS` times.

    As a JPEG of quality 95, 85, 75, 65 and 50; without loss at three quarters and at half of its
    side (bicubic); and without its first row and column, which moves every pixel by one.

    Args:
        image: RGB.
    """
    for quality in QUALITIES:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        yield PIL.Image.open(file).convert("RGB")
    width, height = image.size
    for share in SMALLER:
        size = (max(round(width * share), 1), max(round(height * share), 1))
        yield image.resize(size, PIL.Image.Resampling.BICUBIC)
    yield image.crop((int(width > 1), int(height > 1), width, height))
