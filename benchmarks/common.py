"""What the benchmarks share: generated images, folders of their own, fair repeats."""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fakeface_utils.common.machine import git_revision, hardware, versions
from fakeface_utils.common.paths import data_dir
from fakeface_utils.dataset.demo import generate as demo
from fakeface_utils.study.names import CLASSES, SPLITS
from fakeface_utils.study.settings import PROFILES, Study
from fakeface_utils.study.step import Step

STORED = 256  # pixels per side of the JPEG files, as on Kaggle
DISTINCT = 100  # images drawn of each class; the rest are copies
Result = dict[str, Any]


def header() -> Result:
    """What every file of measurements begins with."""
    first: Result = {"note": "generated images: speed only", "hardware": hardware()}
    return first | {"versions": versions(), "git": git_revision()}


def in_turn(ways: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Run every way once as a warm-up, then all in turn; return the median seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if repeat:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(measured) for name, measured in seconds.items()}


def result(what: str, unit: str, ours: float, plain: float, **more: Any) -> Result:
    """One row: ours, the usual way, and how many times better ours is (above 1 is better)."""
    faster = ours / plain if unit.endswith("/s") else plain / ours
    return {"what": what, "unit": unit, "ours": ours, "usual": plain, "ratio": faster, **more}


def draw_images(train: int, other: int) -> Path:
    """A folder in the dataset's layout, most of its images copies.

    Args:
        train: how many images of each class in train.
        other: how many of each class in valid, and in test.
    """
    folder = data_dir() / "bench-images" / f"{train}-{other}"
    drawn = data_dir() / "bench-images" / "drawn"
    demo.generate(drawn, {"train": DISTINCT}, STORED)
    for split, count in zip(SPLITS, (train, other, other), strict=True):
        for kind in CLASSES:
            place = folder / split / kind
            place.mkdir(parents=True, exist_ok=True)
            originals = sorted(drawn.glob(f"*/*/train/{kind}/*.jpg"))
            for number in range(len(list(place.iterdir())), count):
                shutil.copy(originals[number % DISTINCT], place / f"{number:05d}.jpg")
    return folder


@contextmanager
def places() -> Iterator[None]:
    """Put data and results into a temporary folder: a benchmark leaves only its numbers."""
    before = {name: os.environ.get(name) for name in ("FAKEFACE_DATA", "FAKEFACE_RESULTS")}
    data_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data_dir(), prefix="bench-") as folder:
        os.environ |= {"FAKEFACE_DATA": f"{folder}/data", "FAKEFACE_RESULTS": f"{folder}/results"}
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def study_of(folder: Path, **settings: Any) -> Study:
    """The demo's settings on a folder's images, with random weights in VGG16: speed only."""
    values = {**PROFILES["demo"], "data": str(folder), "run": "trial", "vgg16_weights": "random"}
    return Study(profile="demo", **(values | settings))


def seconds(step: Step) -> float:
    """How long a finished step took."""
    return (step.cost() or {"seconds": float("nan")})["seconds"]
