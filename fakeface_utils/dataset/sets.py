"""Images in sets, see `study.sets`: listed, and read one at a time."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.paths import escaped
from ..study.sets import is_image, place_of
from .decode import UNREADABLE, as_input, open_rgb, reason
from .folder import Folder, Zip
from .formats import file_format

Member = tuple[str, int]  # an image's path below the root, and its label: 1 for fake


@dataclass
class Listing:
    """What lies in a folder or zip.

    Attributes:
        sets: the images of each set, by its name.
        passed_over: path and reason of what has an image's name and isn't judged.
    """

    sets: dict[str, list[Member]] = field(default_factory=dict)
    passed_over: list[tuple[str, str]] = field(default_factory=list)


def list_sets(source: Folder | Zip) -> Listing:
    """Every image by its set, both in order of their names.

    Raises:
        StudyError: a folder can't be listed.
    """
    listing = Listing()
    for path, kind in sorted(source.entries()):
        if not is_image(path):
            continue
        place = place_of(path, source.root)
        if kind:
            listing.passed_over.append((escaped(path), kind))
        elif place is None:
            listing.passed_over.append((escaped(path), "in no folder named real or fake"))
        else:
            listing.sets.setdefault(place[0], []).append((path, place[1]))
    return Listing(dict(sorted(listing.sets.items())), listing.passed_over)


def read_member(
    source: Folder | Zip, member: Member, size: int, resize_filter: str
) -> tuple[npt.NDArray[np.uint8] | None, dict[str, Any]]:
    """One image as a network takes it, and what there is to know of its file.

    Args:
        source: where it lies.
        member: which it is.
        size, resize_filter: see `decode.as_input`.

    Returns:
        (size, size, 3) uint8 RGB, None where it can't be read; and path, label, why (it can't be
        read; '' where it can), sha256, generated and what `file_format` tells.
    """
    path, label = member
    row: dict[str, Any] = {"path": escaped(path), "label": label, "why": ""}
    try:
        raw = source.read(path)
        image, about = open_rgb(raw)
        row |= {"sha256": hashlib.sha256(raw).hexdigest(), "generated": about["generated"]}
        return as_input(image, size, resize_filter), row | file_format(raw)
    except UNREADABLE as error:
        return None, row | {"why": reason(error)}
