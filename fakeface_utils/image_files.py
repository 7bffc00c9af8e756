"""Image files in a folder or a zip, which is never unpacked: listed, read and decoded.

Both hold train, valid and test, at any depth, each with fake and real inside; or train and valid,
or only fake and real: what is missing is then drawn by a seed.
"""

import hashlib
import io
import itertools
import os
import posixpath
import struct
import threading
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import PIL.Image
import PIL.ImageOps
from numpy.typing import NDArray
from PIL.JpegImagePlugin import get_sampling

from .demo.camera import MARK
from .digests import files_below, foreign
from .paper import CLASSES, SPLITS
from .util import StudyError, escaped, first, human_size, shown

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp")
FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
LARGEST = 64 * 2**20  # bytes of one file; the paper's images have about 27,000
MOST_PIXELS = 2**25  # of one image: 100 MB when decoded
UNREADABLE = (  # what Pillow and zipfile raise for a file that is broken, locked or no image
    OSError, ValueError, SyntaxError, EOFError, RuntimeError, struct.error, zlib.error,
    zipfile.BadZipFile, PIL.Image.DecompressionBombError,
)  # fmt: skip

warnings.filterwarnings("ignore", module="PIL")  # what it warns of is read or refused by name here


class Folder:
    """The files below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def entries(self) -> Iterator[tuple[str, str]]:
        """Path, with forward slashes; and what it is, of what is no file and never opened."""
        for name, path in files_below(self.root):
            yield name, "" if path.is_file() else "unfollowed link or pipe"

    def read(self, path: str) -> bytes:
        """The bytes of a file; raises one of `UNREADABLE`."""
        with (self.root / path).open("rb") as file:
            return _bounded(file)


class Zip:
    """The files in a zip, read one at a time: decoding is the longer work."""

    def __init__(self, root: Path) -> None:
        self.root, self._lock = root, threading.Lock()
        try:
            self._archive = zipfile.ZipFile(root)
            named = [(x.filename.replace("\\", "/"), x) for x in self._archive.infolist()]
            self._files = {posixpath.normpath(n): x for n, x in named if not n.endswith("/")}
            kinds = {(x.compress_type, x.flag_bits & 1): x for x in self._files.values()}
            for entry in kinds.values():  # a password, a method that Python doesn't know
                self._archive.open(entry).close()
            if any(method == zipfile.ZIP_LZMA for method, _ in kinds):  # whose errors are its own
                raise ValueError("LZMA is not supported")
        except UNREADABLE as error:
            raise StudyError(
                f"cannot read the zip {shown(root)} ({error}): fetch it again, or unpack it and "
                "give the folder"
            ) from error

    def entries(self) -> Iterator[tuple[str, str]]:
        """As of a `Folder`."""
        return ((name, "") for name in self._files)

    def read(self, path: str) -> bytes:
        """As of a `Folder`."""
        with self._lock, self._archive.open(self._files[path]) as file:
            return _bounded(file)


def _bounded(file: IO[bytes]) -> bytes:
    """What a file holds, which may be more than its size says."""
    raw = file.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise ValueError(f"more than {human_size(LARGEST)} are too many for an image")
    return raw


def open_images(root: Path) -> Folder | Zip:
    """The reader of a folder or a zip."""
    if not os.path.exists(root):  # Path's own raises for a name that is too long
        raise StudyError(f"the data folder or zip {shown(root)} does not exist: check DATA")
    return Folder(root) if root.is_dir() else Zip(root)


def other_kind(reader: Folder | Zip, path: str) -> str:
    """'' for an image, by its suffix or without one by its content; or else what the file is."""
    *folders, name = path.split("/")
    if part := foreign(path):
        return f"in {part}" if part in folders else "._*" if part.startswith("._") else part
    if suffix := os.path.splitext(name)[1].lower():
        return "" if suffix in SUFFIXES else suffix
    try:
        header(reader.read(path))
    except UNREADABLE:
        return "without suffix"
    return ""


def find_images(reader: Folder | Zip) -> tuple[list[str], dict[str, str]]:
    """The paths of all images, in order; and what every other file is, by its path."""
    kinds = {path: kind or other_kind(reader, path) for path, kind in sorted(reader.entries())}
    others = {path: kind for path, kind in kinds.items() if kind}
    return [path for path in kinds if path not in others], others


def left_out(others: Mapping[str, str]) -> str:
    """How many files of each kind are no images, in one line; '' where there are none."""
    kinds = Counter(sorted(others.values())).most_common()
    return escaped(first(f"{number} {kind}" for kind, number in kinds))


def place_of(path: str) -> tuple[str, str, str]:
    """The folders above an image's split, its split and its class; '' for none."""
    *folders, _ = path.split("/")
    for depth in reversed(range(len(folders))):
        if folders[depth] in CLASSES:
            split = folders[depth - 1] if depth and folders[depth - 1] in SPLITS else ""
            return "/".join(folders[: depth - bool(split)]), split, folders[depth]
    return "", "", ""


def list_images(reader: Folder | Zip) -> pd.DataFrame:
    """Every image of a dataset, in order: split, label (1 for fake, by its folder's name), path.

    Raises:
        StudyError: an image lies outside the layout, a class is empty, there is more than one
            dataset, or a name can't be printed.
    """
    paths, others = find_images(reader)
    table = pd.DataFrame(map(place_of, paths), columns=["above", "split", "kind"])
    table["path"], above = paths, table["above"].unique()
    for given, splits, cuts in (({""}, SPLITS, (0.7, 0.85)), ({*SPLITS[:2]}, SPLITS[1:], (0.5,))):
        if {*table["split"]} == given:  # as Kaggle's rvf10k, which has no test part
            parted = table[table["split"].isin(["", "valid"])]
            for _, members in parted.groupby("kind"):
                order = np.random.default_rng(0).permutation(members.index)
                ends = [0, *(round(cut * len(order)) for cut in cuts), len(order)]
                table.loc[order, "split"] = np.repeat(splits, np.diff(ends))
            break
    full = {*zip(table["split"], table["kind"], strict=True)}
    unread = left_out(others) + "; unpack the zip inside" * (".zip" in others.values())
    wrong = [f"the name of {p} can't be printed: rename it" for p in paths if escaped(p) != p]
    stray = table["path"][(table["split"] == "") | (table["kind"] == "")]
    wrong += [f"image {path} lies outside them" for path in stray]
    wrong += [f"there are {len(above)} datasets ({', '.join(above)}): give one"] * (len(above) > 1)
    wrong += [
        f"no images in {split}/{kind}; not read: {unread or 'nothing'}"
        for split, kind in itertools.product(SPLITS, CLASSES)
        if (split, kind) not in full
    ]
    if wrong:
        raise StudyError(
            f"{shown(reader.root)} must hold train, valid and test (or no test) with fake and "
            f"real inside, or only fake and real: {wrong[0]}"
        )
    table["label"] = table["kind"].map(CLASSES.index)
    order = table["split"].map(SPLITS.index).argsort(kind="stable")
    return table.loc[order, ["split", "label", "path"]].reset_index(drop=True)


@dataclass(frozen=True)
class Original:
    """A decoded image file."""

    image: PIL.Image.Image  # 8-bit RGB at its own size, upright
    sha256: str  # of the file
    about: dict[str, Any]  # width, height, mode, generated and jpeg_tables, as in a manifest
    tables: dict[int, list[int]]  # a JPEG's quantization tables
    subsampling: int  # of a JPEG's colours, Pillow's number; -1 for another or none


def header(raw: bytes) -> PIL.Image.Image:
    """An image of which only the header is read; raises one of `UNREADABLE`."""
    file = PIL.Image.open(io.BytesIO(raw), formats=FORMATS)
    if file.width * file.height > MOST_PIXELS:
        raise ValueError(f"{file.width} x {file.height} pixels are too many")
    return file


def decode(raw: bytes) -> Original:
    """Decode an image file, upright as its EXIF data say, on white where it is transparent.

    Raises one of `UNREADABLE`.
    """
    with header(raw) as file:
        file.load()
        tables, subsampling = getattr(file, "quantization", {}), get_sampling(file)
        file.getexif()  # read it now: what some cameras leave can't be written again
        for name in ("exif", "Raw profile type exif"):
            file.info.pop(name, None)
        image = PIL.ImageOps.exif_transpose(file)
        about = {
            "width": image.width,
            "height": image.height,
            "mode": image.mode,
            "generated": file.info.get("comment") == MARK.encode(),
            "jpeg_tables": f"{zlib.crc32(str(tables).encode()):08x}" if tables else "none",
        }
    digest = hashlib.sha256(raw).hexdigest()
    return Original(to_rgb(image), digest, about, tables, subsampling)


def to_rgb(image: PIL.Image.Image) -> PIL.Image.Image:
    """An image of any mode as 8-bit RGB; modes I and F are a ValueError."""
    if image.mode.startswith("I;16"):  # Pillow would clip; of 16-bit colours it too keeps the top 8
        image = PIL.Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode} have no defined black and white")
    if image.has_transparency_data:
        white = PIL.Image.new("RGBA", image.size, "white")
        image = PIL.Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")


def as_input(image: PIL.Image.Image, size: int, resize_filter: str) -> NDArray[np.uint8]:
    """An RGB image as (size, size, 3), squeezed where it isn't square, as Keras' loaders do."""
    if image.size != (size, size):
        # Bilinear is antialiased: Pillow widens it when reducing.
        image = image.resize((size, size), PIL.Image.Resampling[resize_filter.upper()])
    return np.asarray(image)


def reason(error: Exception) -> str:
    """Why a file couldn't be read, for a person: one line, safe to print."""
    if isinstance(error, PIL.UnidentifiedImageError):  # its own text names a buffer
        return "not an image"
    return escaped(getattr(error, "strerror", None) or str(error)) or "broken"


def original(reader: Folder | Zip, path: str, digest: str) -> Original:
    """An image of the study at its own size; `digest` is its SHA-256 in the manifest."""
    try:
        found = decode(reader.read(path))
    except (*UNREADABLE, KeyError) as error:
        raise StudyError(f"{path} can't be read any more ({reason(error)}): put it back") from error
    if found.sha256 != digest:
        raise StudyError(f"{path} has changed since it was prepared: run 01_dataset again")
    return found
