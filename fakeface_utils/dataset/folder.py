"""Images in the Kaggle archive's layout, in a folder or in a zip that is never unpacked.

The layout: train, valid and test, at any depth, each with fake and real inside.
"""

import copy
import os
import re
import stat
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..common.errors import StudyError
from ..common.files import human_size
from ..study.names import CLASSES, SPLITS

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")

LARGEST = 64 * 2**20  # bytes of one entry of a zip; the paper's images have about 27,000

EXPANSION = 20  # all entries together against the zip's own size; images hardly compress


@dataclass(frozen=True, slots=True)
class Image:
    """One image of a dataset.

    Attributes:
        split: 'train', 'valid' or 'test'.
        label: 1 for fake, 0 for real; by the folder's name, never by its order.
        path: where it lies in the folder or zip, with forward slashes.
    """

    split: str
    label: int
    path: str


class Folder:
    """Reads the bytes of images below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def paths(self) -> Iterator[str]:
        """Every file's path, relative to the folder, with forward slashes."""
        for folder, _, names in os.walk(self.root):
            for name in names:
                yield (Path(folder) / name).relative_to(self.root).as_posix()

    def read(self, path: str) -> bytes:
        """The bytes of one file."""
        return (self.root / path).read_bytes()


class Zip:
    """Reads the bytes of images straight from a zip; every thread has its own handle.

    Raises:
        StudyError: it is no whole zip, or an entry is unsafe to read; the sentence names them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._local = threading.local()
        try:
            self._directory = zipfile.ZipFile(root)
        except (zipfile.BadZipFile, OSError) as error:
            raise StudyError(
                f"{root} is not a whole zip ({error}): fetch it again, or give a folder"
            ) from error
        entries = self._directory.infolist()
        unsafe = [f"{entry.filename} ({why})" for entry in entries if (why := _unsafe(entry))]
        total, most = sum(entry.file_size for entry in entries), EXPANSION * root.stat().st_size
        if unsafe or total > max(most, LARGEST):
            named = (
                "; ".join(unsafe[:5]) or f"{human_size(total)} when unpacked, too much for its size"
            )
            more = f"; and {len(unsafe) - 5} more" if len(unsafe) > 5 else ""
            raise StudyError(f"{root} is not safe to read: {named}{more}. Fetch it again")

    def _archive(self) -> zipfile.ZipFile:
        if not hasattr(self._local, "archive"):
            # The directory is shared: 140,000 entries take 80 MB.
            self._local.archive = copy.copy(self._directory)
            self._local.archive.fp = self.root.open("rb")
        return self._local.archive

    def paths(self) -> Iterator[str]:
        """The path of every file in the archive."""
        return (entry.filename for entry in self._directory.infolist() if not entry.is_dir())

    def read(self, path: str) -> bytes:
        """The bytes of one entry.

        Raises:
            zipfile.BadZipFile: its checksum doesn't match.
        """
        return self._archive().read(path)


def _unsafe(entry: zipfile.ZipInfo) -> str:
    """Why a zip's entry is refused; '' where it isn't."""
    name = entry.orig_filename  # as stored: zipfile itself mends some separators
    if name.startswith(("/", "\\")) or name[1:2] == ":":
        return "an absolute path"
    if ".." in re.split(r"[/\\]", name):
        return "a path that leaves the archive"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "a link"
    if entry.flag_bits & 1:
        return "locked by a password"
    return f"{human_size(entry.file_size)} when unpacked" if entry.file_size > LARGEST else ""


def open_images(root: Path) -> Folder | Zip:
    """The reader for a folder or a zip.

    Raises:
        StudyError: there is neither at this path.
    """
    if root.is_dir():
        return Folder(root)
    if root.is_file():
        return Zip(root)
    raise StudyError(f"the data folder or zip {root} does not exist: check DATA")


def list_images(source: Folder | Zip) -> list[Image]:
    """Every image of a dataset, ordered by split and path.

    Raises:
        StudyError: an image lies outside the layout, a class is not fake or real, a split or a
            class is missing or empty, or there is more than one dataset.
    """
    images, above = [], set()
    for path in source.paths():
        if not path.lower().endswith(SUFFIXES) or "__MACOSX/" in path:
            continue
        *folders, _ = path.split("/")
        depth = next((i for i, name in enumerate(folders) if name in SPLITS), None)
        if depth is None or depth + 1 >= len(folders):
            raise StudyError(
                f"image {path} in {source.root} lies in no train, valid or test folder with fake "
                "and real inside: give a folder or zip in that layout"
            )
        split, kind = folders[depth : depth + 2]
        if kind not in CLASSES:
            raise StudyError(
                f"{source.root} has a class '{kind}' in {split}: there must be just fake and real"
            )
        above.add("/".join(folders[:depth]))
        images.append(Image(split, CLASSES.index(kind), path))
    if len(above) > 1:
        raise StudyError(
            f"{source.root} holds {len(above)} datasets ({', '.join(sorted(above))}): give one"
        )
    found = {(image.split, image.label) for image in images}
    for split in SPLITS:
        for label, kind in enumerate(CLASSES):
            if (split, label) not in found:
                raise StudyError(
                    f"{source.root} has no images in {split}/{kind}: it needs train, valid and "
                    "test, each with fake and real inside"
                )
    return sorted(images, key=lambda image: (SPLITS.index(image.split), image.path))
