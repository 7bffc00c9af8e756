"""The images of a study: fetched or drawn, and decoded once into an array and a manifest a split.

`<split>.npy` is (N, size, size, 3) uint8 RGB; `<split>.csv` has a row for each image in the same
order: path, label (1 is fake), bytes, width, height, mode, generated (it carries the demo's mark),
jpeg_tables (a digest), sha256; `<split>.json` names what could not be read.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .demo import generate as demo
from .demo.camera import MARK
from .image_files import (
    UNREADABLE,
    Folder,
    Original,
    Zip,
    as_input,
    decode,
    left_out,
    list_images,
    open_images,
    place_of,
    reason,
)
from .models import MODELS
from .paper import CLASSES, COUNTS, KAGGLE, SPLITS
from .settings import Study
from .step import Task, step
from .util import (
    ENDS_WITH_PARENT,
    StudyError,
    data_dir,
    first,
    human_size,
    progress,
    require_free_space,
    sha256,
    shown,
)

AT_ONCE = 256  # images handed to the threads together
NAME = KAGGLE.split("/")[1]
MOUNTS = (Path("/kaggle/input", NAME), Path("/kaggle/input/datasets", KAGGLE))  # on its machines
ZIP_BYTES = 3_750_000_000
REASONS = {  # by what the client prints, since every failure exits 1; the first match counts
    r"\b40[13]\b|Authentication required|Unauthorized": "Kaggle asks for a login: create an API "
    "token on kaggle.com (Settings), save it as that page says, and run again",
    r"\b404\b": f"Kaggle has no dataset {KAGGLE} (404): look for it on kaggle.com",
    "Expecting value": "a web page answered in Kaggle's place: check the network's proxy",
    "No space left": "the disk is full: make room, or name another with FAKEFACE_DATA",
    "resolve|Max retries|Connection|Remote end closed|IncompleteRead|timed out": "Kaggle can't be "
    "reached, or the connection broke: check the network and run again",
}
# The client runs in a process of its own: importing it without a login ends the interpreter.
CLIENT = f"""{ENDS_WITH_PARENT}
import sys
sys.argv[0] = "kaggle"  # by this name the client allows public data without a login
from kaggle.cli import main
main()
"""


def source(study: Study) -> Path:
    """The folder or zip with the images."""
    if study.data == "demo":
        return draw_demo.of(study).path()
    if study.data == "kaggle":
        return next((path for path in MOUNTS if path.is_dir()), download.of(study).path())
    return Path(study.data)


def _fetched(study: Study, *_: Any) -> list[Task]:
    """What brings the images; nothing where they are there."""
    if study.data == "demo":
        return [draw_demo.of(study)]
    return [download.of(study)] if study.data == "kaggle" and source(study) not in MOUNTS else []


def source_counts(study: Study) -> dict[str, int]:
    """How many images each split will have; none is fetched or decoded for it."""
    if study.data == "demo":
        return {split: 2 * number for split, number in _drawn_counts(study).items()}
    if study.data == "kaggle":
        most = study.images_per_class or COUNTS["train"]
        return {split: 2 * min(number, most) for split, number in COUNTS.items()}
    table = list_images(open_images(source(study)))
    return (
        drawn(table, ["split", "label"], study.images_per_class)["split"].value_counts().to_dict()
    )


def source_digest(study: Study) -> str:
    """By what a run knows its images before they are prepared; 'missing' where there are none."""
    if study.data == "demo":
        drawing = draw_demo.of(study).depends_on()
        return sha256(json.dumps([drawing["settings"], drawing["code"]]).encode())
    return next(iter(prepare.of(study, SPLITS[0]).depends_on()["inputs"].values()))[-1]


def drawn(
    table: pd.DataFrame, by: str | list[str], most: int | None, seed: int = 0
) -> pd.DataFrame:
    """At most so many rows of each group, drawn by a seed, in the old order."""
    if most is None:
        return table
    groups = table.groupby(by).indices.values()
    kept = [np.random.default_rng(seed).permutation(rows)[:most] for rows in groups]
    return table.iloc[np.sort(np.concatenate(kept))]


def original(reader: Folder | Zip, path: str, digest: str) -> Original:
    """An image of the study, decoded at its own size; `digest` is its SHA-256 in the manifest."""
    try:
        found = decode(reader.read(path))
    except (*UNREADABLE, KeyError) as error:
        raise StudyError(
            f"{path} can't be read any more ({reason(error)}): put it back and run again"
        ) from error
    if found.sha256 != digest:
        raise StudyError(
            f"{path} has changed since it was prepared: run notebooks/01_dataset.ipynb"
        )
    return found


# Drawing and fetching.


def _drawn_counts(study: Study) -> dict[str, int]:
    given = study.images_per_class
    return dict.fromkeys(SPLITS, given) if given else demo.IMAGES_PER_CLASS


@step(
    "01_dataset",
    writes=["images"],
    settings=lambda study: {"side": study.stored_size, "images_per_class": _drawn_counts(study)},
    folder=lambda study: (
        data_dir() / f"demo-{study.stored_size}px{f'-{n}' if (n := study.images_per_class) else ''}"
    ),
)
def draw_demo(study: Study, out: Path) -> None:
    """Draw the demo's images in the Kaggle archive's layout."""
    if study.image_size % 7 or study.stored_size not in demo.SIZES:
        raise StudyError(
            f"image_size is {study.image_size}: drawn images need a multiple of 7 from 35 to 224"
        )
    for path in draw_demo.of(study).path().rglob("*.*"):  # those there are drawn again
        if path.is_file() and MARK.encode() not in path.read_bytes():
            raise StudyError(f"{shown(path)} is not a drawn image: move it to another folder")
    demo.generate(out / "images", _drawn_counts(study), study.stored_size)


@step("01_dataset", writes=[f"{NAME}.zip"], folder=lambda study: data_dir() / "kaggle")
def download(study: Study, out: Path) -> None:
    """Fetch Kaggle's zip, going on where an earlier transfer stopped; or take what is there."""
    there, archive = download.of(study).path(), out / f"{NAME}.zip"
    if there.is_file() or zipfile.is_zipfile(archive):
        if there.is_file():
            there.replace(archive)
        return
    needed = max(ZIP_BYTES - _bytes_in(archive), 0) + _room(
        study, sum(source_counts(study).values())
    )
    require_free_space(there.parent, needed, "the zip and the prepared arrays")
    output, code = _run_client(archive)
    if not code and zipfile.is_zipfile(archive):
        return
    by_hand = f"or fetch the zip of {KAGGLE} in a browser and put it at {shown(there)}"
    if not code:
        archive.unlink(missing_ok=True)
        raise StudyError(f"what Kaggle sent is not a whole zip: run again, {by_hand}")
    last = (output.strip().splitlines() or ["no message"])[-1]
    unknown = f"the download from Kaggle failed ({last}): run again"
    why = next((why for words, why in REASONS.items() if re.search(words, output)), unknown)
    raise StudyError(f"{why}, {by_hand} [{human_size(_bytes_in(archive))} have arrived]")


def _run_client(archive: Path) -> tuple[str, int]:
    """Run the client under a progress bar; its output and exit code."""
    words = ["datasets", "download", KAGGLE, "-q", "-p", str(archive.parent)]
    bar = progress(ZIP_BYTES, "downloading", "B", _bytes_in(archive))
    with bar, tempfile.TemporaryFile("w+") as log:
        command = [sys.executable, "-c", CLIENT, *words]
        client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        try:
            while client.poll() is None:
                bar.update(_bytes_in(archive) - bar.n)
                time.sleep(0.2)
        finally:
            client.communicate()  # closes its input, which ends it if it is still running
        log.seek(0)
        return log.read(), client.returncode


def _bytes_in(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


# Decoding.


@step(
    "01_dataset",
    writes=lambda study, split: [f"{split}.npy", f"{split}.csv", f"{split}.json"],
    each=("split",),
    after=_fetched,
    settings=lambda study, split: study.of(
        "data", "image_size", "images_per_class", "resize_filter", "skip_unreadable"
    ),
    folder=lambda study, split: study.prepared,
    inputs=lambda study, split: (
        {} if _fetched(study) else {f"images of {study.data_name}": source(study)}
    ),
)
def prepare(study: Study, split: str, out: Path) -> None:
    """Decode the images of a split."""
    reader = open_images(source(study))
    table = list_images(reader)
    if study.data == "kaggle":
        _check_counts(table)
    table = drawn(table, ["split", "label"], study.images_per_class)
    coming = table["split"].isin(SPLITS[SPLITS.index(split) :]).sum()
    require_free_space(study.prepared, _room(study, coming), "the prepared images")
    members = table[table["split"] == split]
    unreadable: dict[str, str] = {}
    while True:  # where images are left out, which is rare, the others are decoded once more
        rows, broken = _decode_all(study, reader, members, out / f"{split}.npy")
        unreadable |= broken
        if not broken:
            break
        if not study.skip_unreadable:
            named = first(f"{path} ({why})" for path, why in broken.items())
            raise StudyError(
                f"{len(broken)} of {len(members)} images in {split} of {study.data_name} can't be "
                f"read: {named}. Fix them, or leave them out with the setting skip_unreadable=true"
            )
        members = members[~members["path"].isin(list(broken))]
        if members["label"].nunique() < len(CLASSES):
            raise StudyError(f"a class of {study.data_name} has no readable image in {split}")
    pd.DataFrame(rows).to_csv(out / f"{split}.csv", index=False, lineterminator="\n")
    (out / f"{split}.json").write_text(json.dumps(unreadable, indent=2) + "\n", "utf-8")


def _decode_all(
    study: Study, reader: Folder | Zip, members: pd.DataFrame, path: Path
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Write the array of some images; their rows of the manifest, and why any can't be read."""
    shape = (len(members), study.image_size, study.image_size, 3)
    array = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    images, broken = list(members[["path", "label"]].itertuples(index=False, name=None)), {}

    def work(number: int) -> dict[str, Any]:
        image, label = images[number]
        try:
            raw = reader.read(image)
            found = decode(raw)
            array[number] = as_input(found.image, study.image_size, study.resize_filter)
        except UNREADABLE as error:
            broken[image] = reason(error)
            return {}
        row = {"path": image, "label": label, "bytes": len(raw)}
        return row | found.about | {"sha256": found.sha256}

    rows: list[dict[str, Any]] = []
    bar = progress(len(images), f"decoding {members['split'].iloc[0]}", "image")
    with bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(images), AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, len(images)))
            rows += pool.map(work, numbers)  # Pillow decodes outside Python's lock
            bar.update(len(numbers))
    array.flush()
    return rows, dict(sorted(broken.items()))


def _check_counts(table: pd.DataFrame) -> None:
    """Compare what Kaggle sent with the paper's counts."""
    for (split, label), number in table.value_counts(["split", "label"]).items():
        if number != COUNTS[split]:
            raise StudyError(
                f"Kaggle's archive has {number:,} images in {split}/{CLASSES[label]}, not the "
                f"paper's {COUNTS[split]:,}: delete it and run again, or give it as DATA, which "
                "takes other counts and gives no verdict"
            )


def _room(study: Study, images: int) -> int:
    """Bytes of the arrays and manifests of so many images."""
    return images * (study.image_size**2 * 3 + 250)


@step(
    "01_dataset",
    writes=["dataset.json"],
    after=["prepare"],
    settings=lambda study: {"name": study.data_name},
    folder=lambda study: study.prepared,
)
def dataset(study: Study, out: Path) -> None:
    """Name, counts and fingerprint of what was prepared, and what was left out."""
    tables = {split: manifest(study, split) for split in SPLITS}
    table = pd.concat(tables.values())
    parts = [one[["path", "sha256"]].to_csv(index=False).encode() for one in tables.values()]
    missing = [prepare.of(study, split).read(f"{split}.json") for split in SPLITS]
    content = {
        "name": study.data_name,
        "generated": bool(table["generated"].any()),
        "counts": {
            split: {kind: int((one["label"] == i).sum()) for i, kind in enumerate(CLASSES)}
            for split, one in tables.items()
        },
        "fingerprint": hashlib.sha256(b"".join(parts)).hexdigest(),
        "unreadable": {path: why for part in missing for path, why in part.items()},
        "left_out": left_out(open_images(source(study))),
        "split_by_us": not place_of(table["path"].iloc[0])[1],
    }
    (out / "dataset.json").write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def images(study: Study, split: str) -> NDArray[np.uint8]:
    """The images of a split, (N, size, size, 3) RGB, memory-mapped."""
    return prepare.of(study, split).read(f"{split}.npy")


def manifest(study: Study, split: str) -> pd.DataFrame:
    """A row for each image of a split, in the array's order, see above."""
    return prepare.of(study, split).read(f"{split}.csv")


def about(study: Study) -> dict[str, Any]:
    """What dataset.json holds: name, generated, counts of each split and class, ..."""
    return dataset.of(study).read()


def mark(study: Study) -> str:
    """What a figure says of drawn data, other images than the paper's, and random weights."""
    number, theirs = sum(about(study)["counts"]["train"].values()), 2 * COUNTS["train"]
    words = []
    if about(study)["generated"]:
        words.append("drawn demo images")
    elif (number, study.image_size) != (theirs, Study().image_size):
        words.append(
            f"{number:,} training images at {study.image_size} pixels "
            f"(the paper: {theirs:,} at {Study().image_size})"
        )
    if study.vgg16_weights == "random":
        frozen = ", ".join(model.title for model in MODELS.values() if model.frozen_base)
        words.append(f"{frozen} with random weights")
    return "; ".join(words)
