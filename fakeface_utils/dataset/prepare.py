"""The one prepared form of every dataset: a uint8 array, labels and a manifest for each split.

`<split>.npy` is (N, size, size, 3) uint8 RGB, memory-mapped when read; `<split>.csv` has a row for
each image in the same order (path, label, bytes, width, height, mode, generated, jpeg_tables,
sha256); `dataset.json` has the name, the counts, the fingerprint and whether any image carries the
generator's mark.

A preparation grows in a folder of its own, where a journal gets one line per image after the array
has got its pixels: killed at any moment, the next run goes on from the journal's last whole line.
"""

import hashlib
import json
import os
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import PIL.Image

from ..common.errors import StudyError
from ..common.files import cannot_write, check_writable, require_free_space, write_csv, write_json
from ..common.paths import data_dir, shown
from ..common.progress import progress
from ..study.artefacts import prepared_dir, read_dataset, source_path
from ..study.names import CLASSES, SPLITS
from ..study.paper import PAPER_COUNTS
from ..study.plan import prepare_step
from ..study.settings import Study
from . import kaggle
from .decode import UNREADABLE, decode
from .demo import generate as demo
from .folder import Folder, Image, Zip, list_images, open_images
from .journal import JournaledArray, finish

AT_ONCE = 256  # images written together: bounds memory, and what a kill loses

KEY = "made_from.json"  # what a preparation was begun with: another can't go on with it

JOURNALS = (KEY, *(f"{split}.jsonl" for split in SPLITS))


def prepare(study: Study) -> dict[str, Any]:
    """Fetch or generate the study's images and prepare them, unless that is done.

    Returns:
        What `dataset.json` holds.

    Raises:
        StudyError: the data is missing, in another layout or unreadable, or the disk is too small.
    """
    check_writable(data_dir())
    step = prepare_step(study)
    if not step.is_done():
        with step.running():
            _prepare(study)
    for name in JOURNALS:  # once the step's marker is left, none is needed
        (prepared_dir(study) / name).unlink(missing_ok=True)
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
        found = Counter((image.split, image.label) for image in images)
        available = {split: [found[split, 0], found[split, 1]] for split in SPLITS}
    most = study.images_per_class or max(map(max, available.values()))
    return {split: sum(min(count, most) for count in available[split]) for split in SPLITS}


def _demo_counts(study: Study) -> dict[str, int]:
    """How many images of each class are generated in each split."""
    given = study.images_per_class
    return dict.fromkeys(SPLITS, given) if given else demo.IMAGES_PER_CLASS


def _source(study: Study) -> tuple[Folder | Zip, list[Image]]:
    """The reader of the study's images and the list of them."""
    path = source_path(study)
    if study.data == "demo":
        stored = study.stored_size
        if study.image_size % 7 or stored not in demo.SIZES:
            raise StudyError(
                f"image_size is {study.image_size}: generated images need a multiple of 7 from "
                "35 to 224, as 56"
            )
        try:
            demo.generate(path, _demo_counts(study), stored)
        except FileExistsError as error:
            raise StudyError(f"{error}: delete {shown(path)}") from error
    if study.data == "kaggle":
        count = sum(source_counts(study).values())
        kaggle.download(_bytes_needed(study, count))
    source = open_images(path)
    images = list_images(source)
    if study.data == "kaggle":
        kaggle.check_counts(images, path)
    return source, images


def _shape(study: Study) -> tuple[int, int, int]:
    """Of one image: rows, columns, colours."""
    return (study.image_size, study.image_size, 3)


def _bytes_needed(study: Study, count: int) -> int:
    """Room for the arrays and manifests of so many images, less what is written already."""
    written = sum(path.stat().st_size for path in _part(study).glob("*.npy"))
    return max(count * (study.image_size**2 * 3 + 250) - written, 0)


def _part(study: Study) -> Path:
    """Where a preparation grows, beside its final place."""
    final = prepared_dir(study)
    return final.with_name(f".part-{final.name}")


def subset(images: list[Image], per_class: int) -> list[Image]:
    """At most so many images of each split and class, drawn with seed 0, in the old order."""
    kept: list[Image] = []
    for split in SPLITS:
        for label in range(len(CLASSES)):
            group = [image for image in images if (image.split, image.label) == (split, label)]
            order = np.random.default_rng(0).permutation(len(group))[:per_class]
            kept += [group[index] for index in order]
    return sorted(kept, key=lambda image: (SPLITS.index(image.split), image.path))


def _prepare(study: Study) -> None:
    """Decode into a folder beside the final one, which takes its place when whole."""
    final, part = prepared_dir(study), _part(study)
    source, images = _source(study)
    if study.images_per_class:
        images = subset(images, study.images_per_class)
    # Which images are left out is decided at the end: changing one's mind costs no decoding.
    key = prepare_step(study).dependencies()
    if _read_key(final) == key:
        return  # it was whole, and killed before its marker was left
    require_free_space(final, _bytes_needed(study, len(images)), "the prepared images")
    try:
        if _read_key(part) != key:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            write_json(part / KEY, key)
        _decode_all(study, source, images, part)
        _finish(study, part, len(images))
        shutil.rmtree(final, ignore_errors=True)
        part.rename(final)
    except OSError as error:
        raise cannot_write(final, error) from error


def _read_key(folder: Path) -> Any:
    """What the preparation in a folder was made from; None where there is none."""
    try:
        return json.loads((folder / KEY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _finish(study: Study, part: Path, listed: int) -> None:
    """Turn the journals into manifests and dataset.json.

    Raises:
        StudyError: images are unreadable and the study doesn't say to go on without them.
    """
    rows = {}
    for split in SPLITS:
        with (part / f"{split}.jsonl").open(encoding="utf-8") as journal:
            rows[split] = [json.loads(line) for line in journal]
    met = [row for split in SPLITS for row in rows[split]]
    unreadable = {row["path"]: row["reason"] for row in met if row["reason"]}
    if unreadable and (not study.skip_unreadable or len(unreadable) == listed):
        named = "; ".join(f"{path} ({reason})" for path, reason in list(unreadable.items())[:5])
        more = f"; and {len(unreadable) - 5} more" if len(unreadable) > 5 else ""
        raise StudyError(
            f"{len(unreadable)} of {listed} images in {study.data_name} can't be read: "
            f"{named}{more}. Mend them, or go on without them with the setting skip_unreadable=true"
        )
    readable = {split: [row for row in rows[split] if not row["reason"]] for split in SPLITS}
    counts = {
        split: {
            kind: sum(row["label"] == label for row in found) for label, kind in enumerate(CLASSES)
        }
        for split, found in readable.items()
    }
    if not all(count for split in counts.values() for count in split.values()):
        raise StudyError(f"a class of {study.data_name} has no readable image: {counts}")
    content, generated = hashlib.sha256(), False
    for split, found in readable.items():
        manifest = pd.DataFrame(found).drop(columns="reason")
        write_csv(part / f"{split}.csv", manifest)
        finish(part / split, len(manifest), _shape(study))
        content.update(manifest[["path", "sha256"]].to_csv(index=False).encode())
        generated |= bool(manifest["generated"].any())
    write_json(
        part / "dataset.json",
        {
            "name": study.data_name,
            "generated": generated,
            "counts": counts,
            "fingerprint": content.hexdigest(),
            "unreadable": unreadable,
        },
    )


def _decode_all(study: Study, source: Folder | Zip, images: list[Image], folder: Path) -> None:
    """Write the arrays and journals of all splits, from where they are."""

    def work(task: tuple[Image, npt.NDArray[np.uint8]]) -> dict[str, Any]:
        image, pixels = task
        row = {"path": image.path, "label": image.label, "reason": ""}
        try:
            raw = source.read(image.path)
            pixels[:], seen = decode(raw, study.image_size, study.resize_filter)
        except UNREADABLE as error:
            unknown = isinstance(error, PIL.UnidentifiedImageError)  # its text names a buffer
            return row | {"reason": "not an image" if unknown else str(error) or "broken"}
        return row | {"bytes": len(raw)} | seen | {"sha256": hashlib.sha256(raw).hexdigest()}

    members = {split: [image for image in images if image.split == split] for split in SPLITS}
    arrays = {split: JournaledArray(folder / split, _shape(study)) for split in SPLITS}
    bar = progress(len(images), "decoding", "image", sum(a.done for a in arrays.values()))
    with bar, ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes outside Python's lock
        for split, array in arrays.items():
            with closing(array):
                for pixels, rows in _batches(pool, work, members[split][array.done :], array.shape):
                    readable = [not row["reason"] for row in rows]
                    array.write(pixels if all(readable) else pixels[readable], rows)
                    bar.update(len(rows))


def _batches(
    pool: ThreadPoolExecutor, work: Callable[..., Any], images: list[Image], shape: tuple[int, ...]
) -> Iterator[tuple[npt.NDArray[np.uint8], list[dict[str, Any]]]]:
    """Pixels and rows of the images, `AT_ONCE` together; the next are decoded meanwhile."""
    waiting: deque[tuple[npt.NDArray[np.uint8], Iterator[dict[str, Any]]]] = deque()
    for start in range(0, len(images), AT_ONCE):
        members = images[start : start + AT_ONCE]
        pixels = np.empty((len(members), *shape), np.uint8)
        waiting.append((pixels, pool.map(work, zip(members, pixels, strict=True))))
        if len(waiting) == 2:
            pixels, rows = waiting.popleft()
            yield pixels, list(rows)
    while waiting:
        pixels, rows = waiting.popleft()
        yield pixels, list(rows)
