"""The images of a study: fetched or drawn, and decoded once into an array and a manifest a split.

`<split>.npy` is (N, size, size, 3) uint8 RGB; `<split>.csv` has a row for each image in the same
order: path, label (1 is fake), bytes, width, height, mode, generated (it carries the demo's mark),
jpeg_tables (a digest), sha256; `<split>.json` names what could not be read.
"""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .demo.generate import draw_demo
from .image_files import (
    UNREADABLE,
    as_input,
    decode,
    find_images,
    left_out,
    list_images,
    open_images,
    place_of,
    reason,
)
from .paper import CLASSES, COUNTS, KAGGLE, SPLITS
from .settings import Study
from .step import Task, read_file, step
from .util import (
    ENDS_WITH_PARENT,
    StudyError,
    first,
    home,
    human_size,
    in_threads,
    progress,
    require_free_space,
    shown,
)

NAME = KAGGLE.split("/")[1]
MOUNTS = (Path("/kaggle/input", NAME), Path("/kaggle/input/datasets", KAGGLE))  # on its machines
ZIP_BYTES = 3_750_000_000
HELP = {  # by what the client prints, since every failure exits 1; the first match counts
    "CERTIFICATE_VERIFY_FAILED": "set REQUESTS_CA_BUNDLE to the file of this network's certificate",
    r"\b407\b": "set HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT, the login to this network's proxy",
    "accept.*rules|consent": f"accept them on kaggle.com, logged in, at the page of {KAGGLE}",
    r"\b40[13]\b|Authentication|Unauthorized": "save an API token, see kaggle.com, Settings",
    r"\b404\b": f"look for {KAGGLE} on kaggle.com",
    r"\b(429|50\d)\b": "wait an hour, until Kaggle takes requests",
    "Expecting value": "a web page answered in Kaggle's place, so check the network's proxy",
    "No space left": "make room, or name another disk with FAKEFACE_DATA",
    "": "check the network",
}
SPLIT_BY_US = {  # by what the folder of a test image is called
    "": "The images came without splits: 70 % of each class were drawn for training, 15 % for "
    "validation, 15 % for the test.",
    "valid": "The images came without a test split: half of each class of validation was drawn "
    "for it.",
    "test": "",
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


def source_digest(study: Study) -> str:
    """The digest of the images that were given; 'missing' of drawn ones, or where none are."""
    if study.data == "demo":  # they follow from the code
        return "missing"
    return next(iter(prepare.of(study, SPLITS[0]).depends_on()["inputs"].values()))[-1]


def _listed(study: Study) -> pd.DataFrame:
    """The study's images among all that are there: split, label, path."""
    table = list_images(open_images(source(study)))
    for (split, label), number in table.value_counts(["split", "label"]).items():
        if study.data == "kaggle" and number != COUNTS[split]:
            raise StudyError(
                f"{shown(source(study))} has {number:,} images in {split}/{CLASSES[label]}, not "
                f"the paper's {COUNTS[split]:,}: delete it and run again, or give it as DATA, "
                "which takes other counts and gives no verdict"
            )
    kept = drawn(table, ["split", "label"], study.images_per_class)
    return kept.drop(_named(study.leave_out, table), errors="ignore") if study.leave_out else kept


def _named(file: str, table: pd.DataFrame) -> pd.Index:
    """Rows whose path a CSV names; the folders above split and class may differ."""
    try:
        named = read_file(Path(file))["path"].map(_below)
    except (KeyError, TypeError) as error:
        raise StudyError(f"{shown(Path(file))} has no column path: give a CSV") from error
    found = table.index[table["path"].map(_below).isin(named)]
    if found.empty and named.any():
        raise StudyError(f"{shown(Path(file))} names none of the images: check leave_out")
    return found


def _below(path: str) -> str:
    return path.removeprefix(place_of(path)[0]).lstrip("/")


def drawn(table: pd.DataFrame, by: str | list[str], most: int | None) -> pd.DataFrame:
    """At most so many rows of each group, drawn with seed 0, in the old order."""
    groups = table.groupby(by).indices.values()
    kept = [np.random.default_rng(0).permutation(rows)[:most] for rows in groups]
    return table.iloc[np.sort(np.concatenate(kept))]


@step("01_dataset", writes=[f"{NAME}.zip"], folder=lambda study: home("data") / "kaggle")
def download(study: Study, out: Path) -> None:
    """Fetch Kaggle's zip, going on where an earlier transfer stopped; or take what is there."""
    there, archive = download.of(study).path(), out / f"{NAME}.zip"
    if zipfile.is_zipfile(there):
        there.replace(archive)
    if zipfile.is_zipfile(archive):
        return
    most = study.images_per_class or COUNTS["train"]
    number = sum(len(CLASSES) * min(each, most) for each in COUNTS.values())
    needed = ZIP_BYTES - _arrived(archive) + _room(study, number)
    require_free_space(out, needed, "the zip and the prepared arrays")
    output, code = _run_client(archive)
    if not code and zipfile.is_zipfile(archive):
        return
    why = "what Kaggle sent is not a whole zip: run again"
    if code:
        last = re.sub(r"//\S+@", "//", (output.strip().splitlines() or ["no message"])[-1])[-300:]
        way_out = next(words for found, words in HELP.items() if re.search(found, output))
        why = f"the download from Kaggle failed ({last}): {way_out}, and run again "
        why += f"({human_size(_arrived(archive))} have arrived)"
    else:
        archive.unlink(missing_ok=True)
    raise StudyError(
        f"{why}, or fetch the zip of {KAGGLE} in a browser and put it at {shown(there)}"
    )


def _run_client(archive: Path) -> tuple[str, int]:
    """Run the client under a progress bar; its output and exit code."""
    words = ["datasets", "download", KAGGLE, "-q", "-p", str(archive.parent)]
    bar = progress(ZIP_BYTES, "downloading", "B", _arrived(archive))
    with bar, tempfile.TemporaryFile("w+") as log:
        command = [sys.executable, "-c", CLIENT, *words]
        client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        try:
            while client.poll() is None:
                time.sleep(0.2)
                bar.total = max(bar.total, here := _arrived(archive))
                bar.update(here - bar.n)
        finally:
            client.communicate()  # closes its input, which ends it if it is still running
        log.seek(0)
        return log.read(), client.returncode


def _arrived(archive: Path) -> int:
    return archive.stat().st_size if archive.is_file() else 0


def _room(study: Study, images: int) -> int:
    """Bytes of so many prepared images with their rows of the manifest."""
    return images * (study.image_size**2 * 3 + 250)


def _fetched(study: Study, *_: Any) -> list[Task]:
    """What brings the images; nothing where they are there."""
    if study.data == "demo":
        return [draw_demo.of(study)]
    return [download.of(study)] if study.data == "kaggle" and source(study) not in MOUNTS else []


@step(
    "01_dataset",
    writes=lambda study, split: [f"{split}.npy", f"{split}.csv", f"{split}.json"],
    each=("split",),
    after=_fetched,
    settings=lambda study, split: study.of(
        "data", "image_size", "images_per_class", "resize_filter", "skip_unreadable", "leave_out"
    ),
    folder=lambda study, split: study.prepared,
    inputs=lambda study, split: (
        {} if _fetched(study) else {f"images of {study.data_name}": source(study)}
    ),
)
def prepare(study: Study, split: str, out: Path) -> None:
    """Decode the images of a split."""
    reader, table, size = open_images(source(study)), _listed(study), study.image_size
    coming = table["split"].isin(SPLITS[SPLITS.index(split) :]).sum()
    require_free_space(study.prepared, _room(study, coming), "the prepared images")
    members = list(table[table["split"] == split][["path", "label"]].itertuples(index=False))
    unreadable: dict[str, str] = {}
    rows: list[dict[str, Any]] = []

    def work(image: Any) -> tuple[dict[str, Any], bytes]:
        try:
            raw = reader.read(image.path)
            found = decode(raw)
            pixels = as_input(found.image, size, study.resize_filter)
        except UNREADABLE as error:
            unreadable[image.path] = reason(error)
            return {}, b""
        row = {"path": image.path, "label": image.label, "bytes": len(raw)}
        return row | found.about | {"sha256": found.sha256}, pixels.tobytes()

    bar = progress(len(members), f"decoding {split}", "image")
    with (out / f"{split}.npy").open("wb") as file, bar:
        file.write(bytes(128))  # room for the header, which says how many images there are
        for decoded in in_threads(work, members):  # Pillow decodes outside Python's lock
            for row, pixels in decoded:
                file.write(pixels)
                rows += [row] * bool(row)
                bar.update()
        file.seek(0)
        shape = {"descr": "|u1", "fortran_order": False, "shape": (len(rows), size, size, 3)}
        np.lib.format.write_array_header_1_0(file, shape)
    unreadable = dict(sorted(unreadable.items()))
    if unreadable and not study.skip_unreadable:
        named = first(f"{path} ({why})" for path, why in unreadable.items())
        raise StudyError(
            f"{len(unreadable)} of {len(members)} images in {split} of {study.data_name} can't be "
            f"read: {named}. Fix them, or leave them out with the setting skip_unreadable=true"
        )
    if len({row["label"] for row in rows}) < len(CLASSES):
        raise StudyError(f"a class of {study.data_name} has no readable image in {split}")
    pd.DataFrame(rows).to_csv(out / f"{split}.csv", index=False, lineterminator="\n")
    (out / f"{split}.json").write_text(json.dumps(unreadable, indent=2) + "\n", "utf-8")


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
    contents = [table[["path", "sha256"]].to_csv(index=False) for table in tables.values()]
    unreadable = [prepare.of(study, split).read(f"{split}.json") for split in SPLITS]
    content = {
        "name": study.data_name,
        "generated": any(bool(table["generated"].any()) for table in tables.values()),
        "counts": {
            split: {kind: int((table["label"] == i).sum()) for i, kind in enumerate(CLASSES)}
            for split, table in tables.items()
        },
        "fingerprint": hashlib.sha256("".join(contents).encode()).hexdigest(),
        "unreadable": {path: why for part in unreadable for path, why in part.items()},
        "left_out": left_out(find_images(open_images(source(study)))[1]),
        "split_by_us": SPLIT_BY_US[place_of(tables["test"]["path"].iloc[0])[1]],
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
    here = sum(about(study)["counts"]["train"].values()), study.image_size
    paper = 2 * COUNTS["train"], Study().image_size
    words = []
    if about(study)["generated"]:
        words = ["drawn demo images"]
    elif here != paper:
        words = ["{:,} training images at {} pixels (the paper: {:,} at {})".format(*here, *paper)]
    if study.vgg16_weights == "random":
        frozen = [model.title for model in study.models.values() if model.frozen_base]
        words.append(f"{', '.join(frozen)} with random weights")
    return "; ".join(words)
