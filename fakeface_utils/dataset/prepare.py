"""The one prepared form of every dataset: a uint8 array, labels and a manifest for each split.

`<split>.npy` is (N, size, size, 3) uint8 RGB, memory-mapped when read; `<split>.csv` has a row for
each image in the same order (path, label, bytes, width, height, mode, generated, jpeg_tables,
sha256); `<split>.json` names what could not be read; `dataset.json` has the name, the counts, the
fingerprint and whether any image carries the generator's mark.

A split is written whole or not at all: a kill loses at most the split it was in.
"""

import functools
import hashlib
import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..common.errors import StudyError
from ..common.files import require_free_space, write_atomic, write_csv, write_json
from ..common.paths import shown
from ..common.progress import progress
from ..study.artefacts import dataset_json, prepared_dir, read_dataset, read_manifest, source_path
from ..study.names import CLASSES, SPLITS
from ..study.paper import PAPER_COUNTS
from ..study.plan import decode_step, prepare_step, source_step
from ..study.settings import Study
from . import kaggle
from .decode import UNREADABLE, decode, reason
from .demo import generate as demo
from .folder import Folder, Image, Zip, left_out, list_images, open_images

AT_ONCE = 256  # images handed to the threads together


def prepare(study: Study) -> dict[str, Any]:
    """Fetch or generate the study's images and prepare them, unless that is done.

    Returns:
        What `dataset.json` holds.

    Raises:
        StudyError: the data is missing, in another layout or unreadable, or the disk is too small.
    """
    fetch = source_step(study)
    if fetch:
        # What was once whole and isn't now was changed by somebody: it is drawn again.
        fetch.do(functools.partial(_fetch, study, again=fetch.marker.exists()))
    images = functools.cache(lambda: _list(study))  # read when the first split needs it
    for split in SPLITS:
        step = decode_step(study, split)
        step.do(lambda split=split: _decode_split(study, split, *images()))  # type: ignore[misc]
    prepare_step(study).do(functools.partial(_describe, study))
    return read_dataset(study)


def source_counts(study: Study) -> dict[str, int]:
    """How many images each split will have, found without fetching or decoding any.

    Raises:
        StudyError: the study's folder or zip is missing or in another layout.
    """
    if study.data == "kaggle":
        available = {split: [count] * 2 for split, count in PAPER_COUNTS.items()}
    elif study.data == "demo":
        available = {split: [count] * 2 for split, count in _demo_counts(study).items()}
    else:
        images = list_images(open_images(source_path(study)))
        members = Counter((image.split, image.label) for image in images)
        available = {split: [members[split, 0], members[split, 1]] for split in SPLITS}
    most = study.images_per_class or max(map(max, available.values()))
    return {split: sum(min(count, most) for count in available[split]) for split in SPLITS}


def _demo_counts(study: Study) -> dict[str, int]:
    """How many images of each class are generated in each split."""
    given = study.images_per_class
    return dict.fromkeys(SPLITS, given) if given else demo.IMAGES_PER_CLASS


def _fetch(study: Study, again: bool) -> None:
    """Draw the demo's images, or download Kaggle's zip."""
    path = source_path(study)
    if study.data == "kaggle":
        kaggle.download(_bytes_needed(study, sum(source_counts(study).values())))
        return
    stored = study.stored_size
    if study.image_size % 7 or stored not in demo.SIZES:
        raise StudyError(
            f"image_size is {study.image_size}: generated images need a multiple of 7 from 35 to "
            "224, as 56"
        )
    if again:
        demo.remove(path)
    try:
        demo.generate(path, _demo_counts(study), stored)
    except FileExistsError as error:
        raise StudyError(f"{error}: delete {shown(path)}") from error


def _list(study: Study) -> tuple[Folder | Zip, list[Image]]:
    """The reader of the study's images and the list of them; checks the room for the arrays."""
    path = source_path(study)
    source = open_images(path)
    images = list_images(source)
    if study.data == "kaggle":
        kaggle.check_counts(images, path)
    if study.images_per_class:
        images = subset(images, study.images_per_class)
    needed = _bytes_needed(study, len(images))
    require_free_space(prepared_dir(study), needed, "the prepared images")
    return source, images


def _bytes_needed(study: Study, count: int) -> int:
    """Room for the arrays and manifests of so many images, less what is written already."""
    written = sum(path.stat().st_size for path in prepared_dir(study).glob("*.npy"))
    return max(count * (study.image_size**2 * 3 + 250) - written, 0)


def subset(images: list[Image], per_class: int) -> list[Image]:
    """At most so many images of each split and class, drawn with seed 0, in the old order."""
    kept: list[Image] = []
    for split in SPLITS:
        for label in range(len(CLASSES)):
            group = [image for image in images if (image.split, image.label) == (split, label)]
            order = np.random.default_rng(0).permutation(len(group))[:per_class]
            kept += [group[index] for index in order]
    return sorted(kept, key=lambda image: (SPLITS.index(image.split), image.path))


def _decode_split(study: Study, split: str, source: Folder | Zip, images: list[Image]) -> None:
    """Write the array, the manifest and the unreadable images of one split.

    Raises:
        StudyError: images are unreadable and the study doesn't say to leave them out.
    """
    members = [image for image in images if image.split == split]
    array_path, manifest_path, unreadable_path = decode_step(study, split).outputs
    with write_atomic(array_path) as part:
        rows, unreadable = _decode(study, source, members, part)
        if unreadable:  # rare, so the others are simply decoded once more
            _check_unreadable(study, split, unreadable, len(members))
            members = [image for image in members if image.path not in unreadable]
            rows, more = _decode(study, source, members, part)
            if more:
                raise StudyError(f"{next(iter(more))} can't be read any more: run again")
    write_csv(manifest_path, pd.DataFrame(rows))
    write_json(unreadable_path, unreadable)


def _decode(
    study: Study, source: Folder | Zip, members: list[Image], path: Path
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Write the array of some images; their rows of the manifest, and why any can't be read."""
    unreadable: dict[str, str] = {}

    def work(number: int) -> dict[str, Any]:
        image = members[number]
        try:
            raw = source.read(image.path)
            array[number], about = decode(raw, study.image_size, study.resize_filter)
        except UNREADABLE as error:
            unreadable[image.path] = reason(error)
            return {}
        row = {"path": image.path, "label": image.label, "bytes": len(raw)} | about
        return row | {"sha256": hashlib.sha256(raw).hexdigest()}

    rows: list[dict[str, Any]] = []
    shape = (len(members), study.image_size, study.image_size, 3)
    array = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    bar = progress(len(members), f"decoding {members[0].split}", "image")
    with bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(members), AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, len(members)))
            rows += pool.map(work, numbers)  # Pillow decodes outside Python's lock
            bar.update(len(numbers))
    array.flush()
    return rows, dict(sorted(unreadable.items()))


def _check_unreadable(study: Study, split: str, unreadable: dict[str, str], listed: int) -> None:
    """Refuse unreadable images where the study doesn't leave them out.

    Raises:
        StudyError: it names the first five.
    """
    if study.skip_unreadable and len(unreadable) < listed:
        return
    named = "; ".join(f"{path} ({why})" for path, why in list(unreadable.items())[:5])
    more = f"; and {len(unreadable) - 5} more" if len(unreadable) > 5 else ""
    raise StudyError(
        f"{len(unreadable)} of {listed} images in {split} of {study.data_name} can't be read: "
        f"{named}{more}. Fix them, or leave them out with the setting skip_unreadable=true"
    )


def _describe(study: Study) -> None:
    """Write dataset.json from the manifests of the splits."""
    content, generated = hashlib.sha256(), False
    counts: dict[str, dict[str, int]] = {}
    unreadable: dict[str, str] = {}
    for split in SPLITS:
        manifest = read_manifest(study, split)
        counts[split] = {
            kind: int((manifest["label"] == label).sum()) for label, kind in enumerate(CLASSES)
        }
        content.update(manifest[["path", "sha256"]].to_csv(index=False).encode())
        generated |= bool(manifest["generated"].any())
        unreadable |= json.loads(decode_step(study, split).outputs[2].read_text(encoding="utf-8"))
    if not all(count for split in counts.values() for count in split.values()):
        raise StudyError(f"a class of {study.data_name} has no readable image: {counts}")
    write_json(
        dataset_json(study),
        {
            "name": study.data_name,
            "generated": generated,
            "counts": counts,
            "fingerprint": content.hexdigest(),
            "unreadable": unreadable,
            "left_out": left_out(open_images(source_path(study))),
        },
    )
