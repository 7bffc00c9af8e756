"""The one prepared form of every dataset: a uint8 array, labels and a manifest for each split.

`<split>.npy` is (N, size, size, 3) uint8 RGB, memory-mapped when read; `<split>.csv` has a row for
each image in the same order (path, label, bytes, width, height, mode, sha256); `dataset.json` has
the name, the counts, the fingerprint and whether any image carries the generator's mark.
"""

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import PIL
import PIL.Image

from ..errors import StudyError
from ..files import cannot_write, check_writable, require_free_space, write_csv, write_json
from ..paths import data_dir, shown
from ..progress import progress
from ..steps import prepare_step, prepared_dir, source_path
from ..study import Study
from . import demo, kaggle
from .folder import CLASSES, SPLITS, Folder, Image, Zip, list_images, open_images

FILTERS = {
    "bilinear": PIL.Image.Resampling.BILINEAR,  # antialiased: Pillow widens it when reducing
    "nearest": PIL.Image.Resampling.NEAREST,
}
UNREADABLE = (  # what Pillow and zipfile raise for a file that is broken or no image
    OSError,
    ValueError,
    SyntaxError,
    zipfile.BadZipFile,
    PIL.Image.DecompressionBombError,
)
CHUNK = 512  # images in flight: bounds memory, and how long an interrupt waits


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
    return read_dataset(study)


def read_dataset(study: Study) -> dict[str, Any]:
    """Name, counts, fingerprint and mark of the prepared images."""
    return json.loads((prepared_dir(study) / "dataset.json").read_text(encoding="utf-8"))


def read_manifest(study: Study, split: str) -> pd.DataFrame:
    """One row per image of a split, in the array's order; label 1 is fake."""
    return pd.read_csv(prepared_dir(study) / f"{split}.csv", dtype={"path": str})


def read_images(study: Study, split: str) -> npt.NDArray[np.uint8]:
    """The images of a split, (N, size, size, 3) uint8 RGB, memory-mapped."""
    return np.load(prepared_dir(study) / f"{split}.npy", mmap_mode="r")


def decode(
    raw: bytes, size: int, resize_filter: str
) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
    """An image file as a square RGB array, and what was noticed on the way.

    Transparent images are laid on white; greyscale and CMYK are converted; other than square
    images are squeezed, as Keras' loaders do.

    Args:
        raw: the file's bytes.
        size: pixels a side.
        resize_filter: a key of `FILTERS`.

    Returns:
        (size, size, 3) uint8, and width, height, mode and the generator's mark of the original.

    Raises:
        one of `UNREADABLE`: it isn't an image, or it is cut short.
    """
    with PIL.Image.open(io.BytesIO(raw)) as file:
        file.load()
        image: PIL.Image.Image = file
        comment = image.info.get("comment", b"")
        seen = {"width": image.width, "height": image.height, "mode": image.mode}
        seen["generated"] = comment == demo.MARK.encode()
        if image.has_transparency_data:
            white = PIL.Image.new("RGBA", image.size, "white")
            image = PIL.Image.alpha_composite(white, image.convert("RGBA"))
        rgb = image.convert("RGB")
        if rgb.size != (size, size):
            rgb = rgb.resize((size, size), FILTERS[resize_filter])
        return np.asarray(rgb), seen


def source_counts(study: Study) -> dict[str, int]:
    """How many images each split will have, found without fetching or decoding any.

    Raises:
        StudyError: the study's folder or zip is missing or in another layout.
    """
    if study.data == "kaggle":
        available = {split: [count] * 2 for split, count in kaggle.PAPER_COUNTS.items()}
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
        stored = study.image_size * 8 // 7  # the input is resized from it, as 256 to 224
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
        kaggle.download()
    source = open_images(path)
    images = list_images(source)
    if study.data == "kaggle":
        kaggle.check_counts(images)
    return source, images


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
    final = prepared_dir(study)
    source, images = _source(study)
    if study.images_per_class:
        images = subset(images, study.images_per_class)
    bytes_each = study.image_size**2 * 3
    require_free_space(final, len(images) * (bytes_each + 200), "the prepared images")
    part = final.with_name(f".part-{final.name}")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        manifest, unreadable = _decode_all(study, source, images, part)
    except OSError as error:
        raise cannot_write(final, error) from error
    if unreadable and (not study.skip_unreadable or len(unreadable) == len(images)):
        shutil.rmtree(part, ignore_errors=True)
        named = "; ".join(f"{path} ({reason})" for path, reason in list(unreadable.items())[:5])
        more = f"; and {len(unreadable) - 5} more" if len(unreadable) > 5 else ""
        raise StudyError(
            f"{len(unreadable)} of {len(images)} images in {study.data_name} can't be read: "
            f"{named}{more}. Mend them, or go on without them with the setting skip_unreadable=true"
        )
    content = manifest[["path", "sha256"]].to_csv(index=False)
    counts = {
        split: {
            kind: int(((manifest["split"] == split) & (manifest["label"] == label)).sum())
            for label, kind in enumerate(CLASSES)
        }
        for split in SPLITS
    }
    if not all(count for split in counts.values() for count in split.values()):
        raise StudyError(f"a class of {study.data_name} has no readable image: {counts}")
    write_json(
        part / "dataset.json",
        {
            "name": study.data_name,
            "generated": bool(manifest["generated"].any()),
            "counts": counts,
            "fingerprint": hashlib.sha256(content.encode()).hexdigest(),
            "unreadable": unreadable,
        },
    )
    shutil.rmtree(final, ignore_errors=True)
    part.rename(final)


def _decode_all(
    study: Study, source: Folder | Zip, images: list[Image], folder: Path
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Write arrays and manifests; return the whole manifest and what couldn't be read, with why."""

    def work(image: Image) -> tuple[npt.NDArray[np.uint8] | None, dict[str, Any]]:
        try:
            raw = source.read(image.path)
            pixels, seen = decode(raw, study.image_size, study.resize_filter)
        except UNREADABLE as error:
            unknown = isinstance(error, PIL.UnidentifiedImageError)  # its text names a buffer
            return None, {"reason": "not an image" if unknown else str(error)}
        sha256 = hashlib.sha256(raw).hexdigest()
        return pixels, {"path": image.path, "label": image.label, "bytes": len(raw)} | seen | {
            "sha256": sha256
        }

    manifests, unreadable = [], {}
    bar = progress(len(images), "decoding", "image")
    with bar, ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes outside Python's lock
        for split in SPLITS:
            members = [image for image in images if image.split == split]
            shape = (len(members), study.image_size, study.image_size, 3)
            array = np.lib.format.open_memmap(folder / f"{split}.npy", "w+", np.uint8, shape)
            rows: list[dict[str, Any]] = []
            for chunk in _chunks(members):
                for image, (pixels, seen) in zip(chunk, pool.map(work, chunk), strict=True):
                    if pixels is None:
                        unreadable[image.path] = seen["reason"]
                    else:
                        array[len(rows)] = pixels
                        rows.append(seen)
                    bar.update()
            array.flush()
            if len(rows) < len(members):
                _shorten(folder / f"{split}.npy", array, len(rows))
            manifest = pd.DataFrame(rows)
            write_csv(folder / f"{split}.csv", manifest)
            manifests.append(manifest.assign(split=split))
    return pd.concat(manifests, ignore_index=True), unreadable


def _chunks(images: list[Image]) -> Iterator[list[Image]]:
    for start in range(0, len(images), CHUNK):
        yield images[start : start + CHUNK]


def _shorten(path: Path, array: npt.NDArray[np.uint8], count: int) -> None:
    """Keep the first rows of an array file, where unreadable images left room at its end."""
    short = path.with_name(f".short-{path.name}")
    shape = (count, *array.shape[1:])
    kept = np.lib.format.open_memmap(short, "w+", np.uint8, shape)
    for start in range(0, count, CHUNK):
        kept[start : start + CHUNK] = array[start : start + CHUNK][: count - start]
    kept.flush()
    short.replace(path)
