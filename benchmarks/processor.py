"""`make bench`: what the study's way of working saves, measured against the usual way.

Both ways run in turn, after a warm-up, in one run; what matters is their ratio.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common import Row, draw_images, places, seconds_of
from fakeface_utils.data import prepare
from fakeface_utils.settings import PROFILES, Study
from fakeface_utils.trained import arrays, features, train
from fakeface_utils.util import ROOT, StudyError, stderr_to

PLAIN = ROOT / "benchmarks" / "plain.py"
BATCH = 100  # images a batch where only loading is measured


def in_turn(repeats: int, *ways: Callable[[], float]) -> list[float]:
    """Run all ways in turn, so many times after a warm-up; the median of what each returns."""
    rounds = [[way() for way in ways] for _ in range(repeats + 1)]
    return [statistics.median(values) for values in zip(*rounds[1:], strict=True)]


def row(what: str, unit: str, ours: float, usual: float) -> Row:
    """Ours, the usual way, and how many times better ours is (above 1 is better)."""
    better = ours / usual if unit.endswith("/s") else usual / ours
    return {"what": what, "unit": unit, "ours": ours, "usual": usual, "ratio": better}


def study_of(folder: Path, **settings: Any) -> Study:
    """The demo's settings on a folder's images, prepared; random weights in VGG16: speed only."""
    values = {**PROFILES["demo"], "data": str(folder), "run": "trial", "vgg16_weights": "random"}
    study = Study(profile="demo", **(values | settings))
    seconds_of(*prepare.all(study))
    return study


def plain_epoch(folder: Path, model: str, size: int, batch_size: int, epochs: int) -> float:
    """The median seconds of an epoch of benchmarks/plain.py, the first left out."""
    words = [str(folder / "train"), model, *map(str, (size, batch_size, epochs))]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}  # no oneDNN
    command = [sys.executable, str(PLAIN), *words]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True)
    if answer.returncode:
        raise StudyError(f"benchmarks/plain.py failed: {answer.stderr.strip().splitlines()[-1]}")
    return statistics.median(json.loads(answer.stdout.splitlines()[-1])[1:])


def loading(folder: Path, size: int, repeats: int) -> list[Row]:
    """Images a second into `fit`, with a model that reads one pixel: only loading is timed."""
    import keras

    from benchmarks.plain import loader
    from fakeface_utils.training import Batches

    data = arrays(study_of(folder, image_size=size), "custom_cnn", "train")
    order = np.random.default_rng(0).permutation(len(data[0]))

    def rate(make: Callable[[], Any], dtype: str) -> Callable[[], float]:
        image = keras.Input((size, size, 3), dtype=dtype)
        pixel = keras.ops.cast(image[:, 0, 0, :], "float32")
        model = keras.Model(image, keras.layers.Dense(1, activation="sigmoid")(pixel))
        model.compile("sgd", "binary_crossentropy")

        def fit() -> float:
            start = time.perf_counter()
            model.fit(make(), shuffle=False, verbose=0)
            return len(order) / (time.perf_counter() - start)

        return fit

    ours = rate(lambda: Batches(data, BATCH, order), "uint8")
    usual = rate(lambda: loader(folder / "train", size, BATCH), "float32")
    rates = in_turn(repeats, ours, usual)
    return [row(f"loading at {size} px, against Keras' directory loader", "images/s", *rates)]


def custom_cnn(folder: Path, size: int, batch_size: int, repeats: int) -> list[Row]:
    """Training of the custom CNN, images a second, without validation, as in plain.py."""
    from fakeface_utils.networks import build
    from fakeface_utils.training import fit

    study = study_of(folder, image_size=size, batch_size=batch_size, epochs=3)
    inputs, labels = arrays(study, "custom_cnn", "train")

    def ours() -> float:
        with tempfile.TemporaryDirectory() as out:
            data = (inputs, labels), (inputs[:1], labels[:1])
            fit(study, "custom_cnn", build(study, "custom_cnn", 0), 0, data, Path(out))
            return len(labels) / pd.read_csv(Path(out, "history.csv"))["seconds"][1:].median()

    def usual() -> float:
        return len(labels) / plain_epoch(folder, "custom_cnn", size, batch_size, 3)

    rates = in_turn(repeats, ours, usual)
    return [row(f"training the custom CNN at {size} px", "images/s", *rates)]


def vgg16(folder: Path, size: int, batch_size: int) -> list[Row]:
    """VGG16's column: features once and then its head, against the base in every epoch."""
    epochs = Study().epochs
    study = study_of(folder, image_size=size, batch_size=batch_size, epochs=epochs)
    made = seconds_of(*(features.of(study, "vgg16", split) for split in ("train", "valid")))
    seconds_of(train.of(study, "vgg16", 0))  # a warm-up
    head = seconds_of(train.of(study, "vgg16", 1))
    usual = epochs * plain_epoch(folder, "vgg16", size, batch_size, 2)  # from one measured epoch
    five = (made + 5 * head) / (made + head)
    return [
        row(f"VGG16 at {size} px, {epochs} epochs", "s", made + head, usual),
        row(f"VGG16 at {size} px, five seeds against one", "times", five, 5.0),
    ]


def measure() -> list[Row]:
    """All measurements."""
    with places(), stderr_to(os.devnull):  # TensorFlow's messages
        return [
            *loading(draw_images(1000, 10), 224, repeats=5),
            *custom_cnn(draw_images(250, 10), 64, batch_size=25, repeats=3),
            *custom_cnn(draw_images(20, 2), 224, batch_size=20, repeats=3),
            *vgg16(draw_images(50, 2), 224, batch_size=20),
        ]
