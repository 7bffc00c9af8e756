"""Sets of images in a folder or zip, known by the names of its folders; and how files were saved.

A set is what lies beside each other in folders named real and fake: one generator, or one split.
Other benchmarks' names for the two count too, in any case. Where the files of the two classes were
saved differently, the codec may be the label.
"""

import io
import os
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import PIL.Image
from PIL.JpegImagePlugin import get_sampling

from fakeface_utils import image_files
from fakeface_utils.paper import CLASSES
from fakeface_utils.util import StudyError, escaped, first, sha256, shown

NAMES = (("real", "0_real", "nature"), ("fake", "1_fake", "ai"))  # by label
LABELS = {name: label for label, names in enumerate(NAMES) for name in names}
PROPERTIES = {"format": "file format", "size": "size", "quality": "JPEG quality"}
PROPERTIES["subsampling"] = "chroma subsampling"
IMAGE = ["path", "label", "why", "sha256", "seen", "generated", *PROPERTIES]
# The splits whose images a run is not judged on; `why` says so.
LEARNED = {"train": "in the run's training set", "valid": "in the run's validation set"}
SUBSAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}  # by Pillow's number
APART = 0.1  # total variation distance below which a difference is too small to matter
DRAWS = 200  # of the classes, shuffled: what chance makes of it
RARE = 0.02  # of a set's images; rarer sizes are put together by their magnitude
Member = tuple[str, int]  # an image's path below the root, and its label: 1 for fake
Read = tuple[npt.NDArray[np.uint8] | None, dict[str, Any]]  # of `read_member`


def place_of(path: str, root: Path) -> tuple[str, int, str]:
    """An image's set, label and class folder, by the class folder nearest to it; '' for no set.

    A set is called by its path below the root; at the top by the root's own name and a slash.
    """
    *folders, _ = path.split("/")
    for depth in reversed(range(len(folders))):
        label = LABELS.get(folders[depth].lower())
        if label is not None:
            name = "/".join(folders[:depth]) or f"{root.name}/"
            return name, label, "/".join(folders[: depth + 1])
    label = LABELS.get(root.name.lower().removesuffix(".zip"), -1)
    return f"{root.name}/" * (label >= 0), label, ""


def list_sets(root: Path) -> tuple[dict[str, list[Member]], list[str]]:
    """Every image of a folder or zip by its set, and what is passed over, with why."""
    if not os.path.exists(root):  # Path's own raises for a name that is too long
        raise StudyError(f"there is no folder or zip {shown(root)}: give one with real and fake")
    places = [root, *(Path(place) for place, *_ in os.walk(root))]
    sets, passed_over = _listed(root, tuple(place.stat().st_mtime_ns for place in places))
    if not sets:
        raise StudyError(
            f"{shown(root)} has no images (JPEG, PNG, BMP or WebP) in folders named real and fake, "
            f"0_real and 1_fake, or nature and ai; not read: {first(passed_over) or 'nothing'}"
        )
    return sets, passed_over


@lru_cache(maxsize=1)  # seconds for 100,000 files, and steps are listed often
def _listed(root: Path, changed: tuple[int, ...]) -> tuple[dict[str, list[Member]], list[str]]:
    sets: dict[str, list[Member]] = {}
    passed_over = []
    images, others = image_files.find_images(image_files.open_images(root))
    for path in images:
        name, label, _ = place_of(path, root)
        if name:
            sets.setdefault(name, []).append((path, label))
        else:
            passed_over.append(f"{escaped(path)} (in no folder named real or fake)")
    passed_over += filter(None, [image_files.left_out(others)])
    return dict(sorted(sets.items())), passed_over


def key_of(name: str) -> str:
    """A set's name as part of a file's name: it may hold any character."""
    kept = re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-.")[:40]
    return f"{kept}-{sha256(os.fsencode(name))[:8]}".lstrip("-")


def read_member(
    source: Any, size: int, resize_filter: str, seen: Mapping[str, str], member: Member
) -> Read:
    """One image as a network takes it, None where it doesn't count; and `IMAGE`, what is known.

    `source` is of `open_images`, `seen` the split of the run that has the very file, by SHA-256;
    why says why the image doesn't count, generated whether it carries the demo's mark.
    """
    path, label = member
    row: dict[str, Any] = {"path": escaped(path), "label": label, "why": ""}
    try:
        raw = source.read(path)
        found = image_files.decode(raw)
    except image_files.UNREADABLE as error:
        return None, row | {"why": image_files.reason(error)}
    split = seen.get(found.sha256, "")
    row |= {"sha256": found.sha256, "seen": split, "generated": found.about["generated"]}
    if split in LEARNED:
        return None, row | {"why": LEARNED[split]}
    return image_files.as_input(found.image, size, resize_filter), row | file_format(raw)


@cache
def qualities() -> dict[tuple[int, ...], str]:
    """The JPEG qualities 1 to 100 by their luminance table, as the IJG's library makes it."""
    found = {}
    for quality in range(1, 101):
        stream = io.BytesIO()
        PIL.Image.new("L", (8, 8)).save(stream, "JPEG", quality=quality)
        file: Any = image_files.header(stream.getvalue())
        found[tuple(file.quantization[0])] = str(quality)
    return found


def file_format(raw: bytes) -> dict[str, str]:
    """How an image file was saved, by its header: a text for each of `PROPERTIES`.

    The size is as stored; the quality 'other tables' where the luminance table is no scaled
    standard one; both it and the subsampling are '-' for what is no JPEG.
    """
    file: Any = image_files.header(raw)
    quality = subsampling = "-"
    if tables := getattr(file, "quantization", None):
        quality = qualities().get(tuple(tables.get(0, ())), "other tables")
        subsampling = "grey" if file.mode == "L" else SUBSAMPLING.get(get_sampling(file), "other")
    values = (str(file.format), f"{file.width}x{file.height}", quality, subsampling)
    return dict(zip(PROPERTIES, values, strict=True))


def differs(values: pd.Series, labels: npt.NDArray[np.int64]) -> bool:
    """Whether a property differs between the classes, by more than chance and enough to matter.

    By the total variation distance of the classes' shares: 0 where they agree, 1 where none is
    shared. Chance: the largest of `DRAWS` shuffles of the labels.
    """
    codes, names = pd.factorize(values)

    def distance(labels: npt.NDArray[np.int64]) -> float:
        shares = [np.bincount(codes[labels == c], minlength=len(names)) for c in (0, 1)]
        return float(np.abs(shares[0] / shares[0].sum() - shares[1] / shares[1].sum()).sum() / 2)

    if len(np.unique(labels)) < 2 or (apart := distance(labels)) < APART:
        return False
    random = np.random.default_rng(0)
    return apart > max(distance(random.permutation(labels)) for _ in range(DRAWS))


def grouped_sizes(sizes: pd.Series) -> pd.Series:
    """Sizes as '256x256', those of few images by the magnitude of their pixels' number."""
    counts = sizes.map(sizes.value_counts())
    sides = sizes.str.split("x", expand=True).astype(float)
    magnitude = np.log2(sides.prod(axis=1)).round().astype(int)
    return sizes.where(counts >= RARE * len(sizes), "about 2^" + magnitude.astype(str))


def most_common(values: pd.Series) -> str:
    """The two most common values with their shares, as '95 (80%), 75 (15%), 3 more'."""
    shares = values.value_counts(normalize=True)
    named = ", ".join(f"{value} ({share:.0%})" for value, share in shares.head(2).items())
    return f"{named}, {len(shares) - 2} more" if len(shares) > 2 else named


def formats_table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """How the files of every set and class were saved, by the images of each that count.

    A row has set, class, images, the most common values of each of `PROPERTIES`, and differs: the
    properties in which the set's classes differ, with commas.
    """
    rows = []
    for name, images in tables.items():
        table = images[images["why"] == ""]
        compared = table.assign(size=grouped_sizes(table["size"])) if len(table) else table
        labels = table["label"].to_numpy(dtype=np.int64)
        apart = ", ".join(words for p, words in PROPERTIES.items() if differs(compared[p], labels))
        for label, own in table.groupby("label"):
            values = {p: most_common(own[p]) for p in PROPERTIES}
            about = {"set": name, "class": CLASSES[label], "images": len(own)}
            rows.append(about | values | {"differs": apart})
    return pd.DataFrame(rows, columns=["set", "class", "images", *PROPERTIES, "differs"])


def warnings(table: pd.DataFrame) -> list[str]:
    """A sentence on each set of `formats_table` whose classes were saved differently."""
    return [
        f"WARNING: real and fake of {name} were saved differently ({apart}). The codec may be the "
        "label here: in a large benchmark such differences moved results by more than 11 points "
        "(Grommelt et al. 2024, arXiv:2403.17608). Save both classes alike first."
        for name, apart in table.groupby("set", sort=False)["differs"].first().items()
        if apart
    ]
