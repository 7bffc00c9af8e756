"""What the benchmarks share: drawn images, folders of their own, the files of numbers."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd

from fakeface_utils.demo.generate import generate
from fakeface_utils.paper import CLASSES, SPLITS
from fakeface_utils.step import Task
from fakeface_utils.util import git_revision, hardware, home, replacing, versions

STORED = 256  # pixels a side of the JPEG files, as on Kaggle
DISTINCT = 100  # images drawn of each class; the rest are copies
Row = dict[str, Any]  # what, unit, ours and more


def draw_images(train: int, other: int) -> Path:
    """A folder with so many images of each class in train, and in each other split."""
    folder, drawn = home("data") / f"{train}-{other}", home("data") / "drawn"
    generate(drawn, {"train": DISTINCT}, STORED)
    for kind in CLASSES:
        originals = sorted(drawn.glob(f"*/*/train/{kind}/*.jpg"))
        for split, count in zip(SPLITS, (train, other, other), strict=True):
            (folder / split / kind).mkdir(parents=True)
            for number in range(count):
                shutil.copy(originals[number % DISTINCT], folder / split / kind / f"{number}.jpg")
    return folder


@contextmanager
def places() -> Iterator[None]:
    """Put data and results into a temporary folder: a benchmark leaves only its numbers."""
    home("data").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home("data"), prefix="bench-") as folder:
        inside = {f"FAKEFACE_{name}": f"{folder}/{name.lower()}" for name in ("DATA", "RESULTS")}
        with patch.dict(os.environ, inside):
            yield


def seconds_of(*tasks: Task) -> float:
    """Do some steps, and return how long they took."""
    for task in tasks:
        task.ensure()
    return sum(task.record()["seconds"] for task in tasks)


def written(rows: list[Row]) -> Path:
    """Save and print the rows; the path of the JSON file, which also says on what they ran."""
    machine = hardware()
    name = f"{(machine['gpus'] or [machine['processor']])[0]} {machine['cores']} cores"
    path = home("results") / "bench" / (re.sub(r"\W+", "-", name.lower()) + ".json")
    about = {"note": "generated images: speed only", "hardware": machine, "versions": versions()}
    with replacing(path) as part:
        part.write_text(json.dumps(about | {"git": git_revision(), "results": rows}, indent=2))
    with replacing(path.with_suffix(".csv")) as part:
        pd.DataFrame(rows).to_csv(part, index=False)
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.3g}".format))
    return path
