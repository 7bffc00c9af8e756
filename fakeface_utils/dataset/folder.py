"""Images in the Kaggle archive's layout, in a folder or in a zip that is never unpacked.

The layout: train, valid and test, at any depth, each with fake and real inside.
"""

import os
import stat
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..common.errors import StudyError
from ..common.files import human_size
from ..common.paths import escaped, shown
from ..study.names import CLASSES, SPLITS, SUFFIXES
from .decode import LARGEST, UNREADABLE, read_file

KINDS = {stat.S_IFREG: "", stat.S_IFDIR: "unfollowed folder link", stat.S_IFIFO: "pipe"}

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

    def entries(self) -> Iterator[tuple[str, str]]:
        """What lies in the folder, links to folders included, which are not followed.

        Yields:
            its path below the folder, with forward slashes, and what it is; '' for a file.

        Raises:
            StudyError: a folder in it can't be listed.
        """
        for folder, folders, names in os.walk(self.root, onerror=_cannot_list):
            linked = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            below = Path(folder).relative_to(self.root)
            for name in names + linked:
                yield (below / name).as_posix(), _kind(os.path.join(folder, name))

    def read(self, path: str) -> bytes:
        """The bytes of one file; raises as `read_file`."""
        return read_file(self.root / path)


class Zip:
    """Reads the bytes of images straight from a zip, one at a time: decoding is the longer work.

    Raises:
        StudyError: it is no whole zip, or an entry is unsafe to read; the sentence names them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()
        try:
            self._archive = zipfile.ZipFile(root)
        except UNREADABLE as error:
            raise StudyError(
                f"{shown(root)} is not a whole zip ({error}): fetch it again, or give a folder"
            ) from error
        entries = self._archive.infolist()
        unsafe = [f"{entry.filename} ({why})" for entry in entries if (why := _unsafe(entry))]
        times = Counter(entry.filename for entry in entries)
        unsafe += [f"{name} (there {count} times)" for name, count in times.items() if count > 1]
        total, most = sum(entry.file_size for entry in entries), EXPANSION * root.stat().st_size
        if unsafe or total > max(most, LARGEST):
            named = (
                "; ".join(unsafe[:5]) or f"{human_size(total)} when unpacked, too much for its size"
            )
            more = f"; and {len(unsafe) - 5} more" if len(unsafe) > 5 else ""
            raise StudyError(f"{shown(root)} is not safe to read: {named}{more}. Fetch it again")

    def entries(self) -> Iterator[tuple[str, str]]:
        """As of a `Folder`; all of them are files."""
        names = (entry.filename for entry in self._archive.infolist())
        return ((name, "") for name in names if not name.endswith("/"))

    def read(self, path: str) -> bytes:
        """The bytes of one entry.

        Raises:
            one of `decode.UNREADABLE`: it is damaged.
        """
        with self._lock, self._archive.open(path) as entry:
            return entry.read(LARGEST)  # a limit, since an entry may be larger than it says


def _unsafe(entry: zipfile.ZipInfo) -> str:
    """Why a zip's entry is refused; '' where it isn't."""
    if entry.flag_bits & 1:
        return "locked by a password"
    return f"{human_size(entry.file_size)} when unpacked" if entry.file_size > LARGEST else ""


def _cannot_list(error: OSError) -> None:
    raise StudyError(
        f"cannot list {shown(Path(error.filename))}: {error.strerror}; make it readable"
    ) from error


def _kind(path: str) -> str:
    """What lies at a path; '' for a file. Nothing is opened: a pipe would wait for ever."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return "broken link"
    return KINDS.get(stat.S_IFMT(mode), "device or socket")


def open_images(root: Path) -> Folder | Zip:
    """The reader for a folder or a zip.

    Raises:
        StudyError: there is neither at this path.
    """
    if root.is_dir():
        return Folder(root)
    if root.is_file():
        return Zip(root)
    raise StudyError(f"the data folder or zip {shown(root)} does not exist: check DATA")


def list_images(source: Folder | Zip) -> list[Image]:
    """Every image of a dataset, ordered by split and path.

    Raises:
        StudyError: an image lies outside the layout, a class is not fake or real, a split or a
            class is missing or empty, there is more than one dataset, or a name can't be printed.
    """
    images, above, root = [], set(), shown(source.root)
    for path, kind in source.entries():
        if kind or not path.lower().endswith(SUFFIXES) or "__MACOSX/" in path:
            continue
        if escaped(path) != path:
            raise StudyError(
                f"the name of {path} in {root} holds control characters or is not UTF-8: rename it"
            )
        *folders, _ = path.split("/")
        depth = next((i for i, name in enumerate(folders) if name in SPLITS), None)
        if depth is None or depth + 1 >= len(folders):
            raise StudyError(
                f"image {path} in {root} lies in no train, valid or test folder with fake "
                "and real inside: give a folder or zip in that layout"
            )
        split, name = folders[depth : depth + 2]
        if name not in CLASSES:
            raise StudyError(
                f"{root} has a class '{name}' in {split}: there must be just fake and real"
            )
        above.add("/".join(folders[:depth]))
        images.append(Image(split, CLASSES.index(name), path))
    if len(above) > 1:
        raise StudyError(
            f"{root} holds {len(above)} datasets ({', '.join(sorted(above))}): give one"
        )
    full = {(image.split, image.label) for image in images}
    for split in SPLITS:
        for label, name in enumerate(CLASSES):
            if (split, label) not in full:
                raise StudyError(
                    f"{root} has no images in {split}/{name}: it needs train, valid and test, each "
                    f"with fake and real inside; not read: {left_out(source) or 'nothing'}"
                )
    return sorted(images, key=lambda image: (SPLITS.index(image.split), image.path))


def left_out(source: Folder | Zip) -> str:
    """One line on what lies among the images and is not read; '' where there is nothing."""
    suffixes: Counter[str] = Counter()
    others: dict[str, list[str]] = {}
    for path, kind in source.entries():
        *folders, name = path.split("/")
        if kind:
            others.setdefault(kind, []).append(path)
        elif {*folders} & {*CLASSES} and not name.startswith("."):
            suffixes[os.path.splitext(name)[1].lower() or "without suffix"] += 1
    for suffix in SUFFIXES:
        del suffixes[suffix]
    parts = [
        f"{len(paths)} {kind}{'s' * (len(paths) > 1)} ({min(paths)})"
        for kind, paths in others.items()
    ]
    if suffixes:
        named = ", ".join(f"{suffix} {count}" for suffix, count in suffixes.most_common(5))
        what = "file that is" if suffixes.total() == 1 else "files that are"
        parts.insert(0, f"{suffixes.total()} {what} no JPEG, PNG, BMP or WebP ({named})")
    return escaped(", ".join(parts))
