"""Sets of images in a folder or zip, known by the names of its folders.

A set is what lies beside each other in folders named real and fake: one generator, or one split.
Other benchmarks' names for the two count too, in any case.
"""

import functools
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

from ..common.errors import StudyError
from ..common.paths import shown
from .names import SUFFIXES

NAMES = (("real", "0_real", "nature"), ("fake", "1_fake", "ai"))  # by label
LABELS = {name: label for label, names in enumerate(NAMES) for name in names}


def place_of(path: str, root: Path) -> tuple[str, int, str] | None:
    """To which set an image belongs, by the class folder nearest to it.

    Args:
        path: below the root, with forward slashes.
        root: the folder or zip. Its own name is its images' class where no folder inside tells it.

    Returns:
        The set's name (its path below the root; the root's own name and a slash for what lies at
        the top), the label (1 for fake) and the class folder's path; None where no name is a class.
    """
    *folders, _ = path.split("/")
    for depth in reversed(range(len(folders))):
        label = LABELS.get(folders[depth].lower())
        if label is not None:
            name = "/".join(folders[:depth]) or f"{root.name}/"
            return name, label, "/".join(folders[: depth + 1])
    label = LABELS.get(root.name.lower().removesuffix(".zip"))
    return None if label is None else (f"{root.name}/", label, "")


def is_image(path: str) -> bool:
    """Whether a file is an image by its name, and none of the copies that macOS puts into zips."""
    return path.lower().endswith(SUFFIXES) and "__MACOSX/" not in path


def _images(root: Path) -> Iterator[str]:
    """The path of one image in each folder below the root; of a zip, of every image."""
    if root.is_dir():
        for place, _, names in os.walk(root):
            first = next((name for name in names if is_image(name)), None)
            if first:
                yield (Path(place) / first).relative_to(root).as_posix()
    else:
        yield from _in_zip(root, root.stat().st_mtime_ns)


def count_images(root: Path) -> int:
    """How many images a folder or zip has."""
    if root.is_dir():
        return sum(is_image(name) for _, _, names in os.walk(root) for name in names)
    return len(_in_zip(root, root.stat().st_mtime_ns))


@functools.lru_cache(maxsize=1)  # a second for 100,000 entries, and steps are listed often
def _in_zip(root: Path, changed: int) -> list[str]:
    """The path of every image in a zip; one that was changed is read again."""
    with zipfile.ZipFile(root) as archive:
        return list(filter(is_image, archive.namelist()))


def find_sets(root: Path) -> dict[str, tuple[Path, ...]]:
    """The sets of a folder or zip in order of their names; no file is opened but the zip.

    Returns:
        The class folders of each, or the zip.

    Raises:
        StudyError: there is neither at this path, or no set in it.
    """
    if not root.exists():
        raise StudyError(f"there is no folder or zip {shown(root)}: give one with real and fake")
    folders: dict[str, set[Path]] = {}
    try:
        for path in _images(root):
            if place := place_of(path, root):
                below = root / place[2] if root.is_dir() else root
                folders.setdefault(place[0], set()).add(below)
    except (zipfile.BadZipFile, OSError) as error:
        raise StudyError(f"{shown(root)} can't be read ({error}): give a folder or zip") from error
    if not folders:
        raise StudyError(
            f"{shown(root)} has no images (JPEG, PNG, BMP or WebP) in folders named real and fake, "
            "0_real and 1_fake, or nature and ai"
        )
    return {name: tuple(sorted(folders[name])) for name in sorted(folders)}
