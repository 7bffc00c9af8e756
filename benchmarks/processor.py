"""`make bench`: what the study's way of working saves, measured against the usual way.

Both ways run in turn, after a warm-up; numbers are medians, and what matters is their ratio.
"""

import functools
import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common import (
    Result,
    draw_images,
    header,
    in_turn,
    places,
    result,
    seconds,
    study_of,
)
from benchmarks.elsewhere import evaluating
from benchmarks.figure import chart, table
from benchmarks.growth import growth
from fakeface_utils.common.errors import StudyError
from fakeface_utils.common.files import write_atomic, write_csv, write_json
from fakeface_utils.common.paths import ROOT, figures_dir, shown
from fakeface_utils.common.progress import stderr_to
from fakeface_utils.dataset.prepare import prepare
from fakeface_utils.run.estimate import bench_json
from fakeface_utils.study.artefacts import read_images, read_manifest
from fakeface_utils.study.names import SPLITS
from fakeface_utils.study.plan import features_step, train_step
from fakeface_utils.study.settings import Study

PLAIN = ROOT / "benchmarks" / "plain.py"
BATCH = 100  # images per batch of the loaders
MORE = 20  # times as many features for the head as images for the base


def plain_epoch(folder: Path, size: int, batch_size: int, epochs: int) -> float:
    """The median seconds of an epoch of benchmarks/plain.py, the first left out."""
    command = [sys.executable, str(PLAIN), str(folder / "train"), "--size", str(size)]
    command += ["--batch-size", str(batch_size), "--epochs", str(epochs)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}  # no oneDNN
    answer = subprocess.run(command, env=environment, capture_output=True, text=True)
    if answer.returncode:
        raise StudyError(f"{shown(PLAIN)} failed: {answer.stderr.strip().splitlines()[-1]}")
    return statistics.median(json.loads(answer.stdout.splitlines()[-1])[1:])


def _arrays(study: Study, split: str) -> tuple[Any, Any]:
    """The prepared inputs and labels of a split."""
    return read_images(study, split), read_manifest(study, split)["label"].to_numpy()


def loaders(folder: Path, size: int, repeats: int) -> list[Result]:
    """Images per second into `fit`, with a model that reads one pixel: only loading is timed."""
    import keras

    from benchmarks import plain
    from fakeface_utils.networks.batches import Batches

    study = study_of(folder, image_size=size)
    start = time.perf_counter()
    prepare(study)
    preparing = time.perf_counter() - start
    images, labels = _arrays(study, "train")
    order = np.random.default_rng(0).permutation(len(images))

    def fit(make: Callable[[], Any], dtype: str) -> Callable[[], Any]:
        image = keras.Input((size, size, 3), dtype=dtype)
        pixel = keras.ops.cast(image[:, 0, 0, :], "float32")
        model = keras.Model(image, keras.layers.Dense(1, activation="sigmoid")(pixel))
        model.compile("sgd", "binary_crossentropy")
        return lambda: model.fit(make(), shuffle=False, verbose=0)

    train = folder / "train"
    usual = {
        "Keras' directory loader": plain.directory_loader,
        "ImageDataGenerator": plain.image_data_generator,
        "Pillow, one process": plain.PillowLoader,
    }
    ways = {"ours": fit(lambda: Batches(images, labels, BATCH, order), "uint8")} | {
        name: fit(functools.partial(loader, train, size, BATCH), "float32")
        for name, loader in usual.items()
    }
    seconds = in_turn(ways, repeats)
    count, prepared = len(images), sum(len(read_manifest(study, split)) for split in SPLITS)
    rows = []
    for name in usual:
        saved = (seconds[name] - seconds["ours"]) / count  # per image and epoch
        pays = preparing / prepared / saved if saved > 0 else None
        rows.append(
            result(
                f"loading at {size} px, against {name}",
                "images/s",
                count / seconds["ours"],
                count / seconds[name],
                repeats=repeats,
                preparing_images_per_s=prepared / preparing,
                paid_for_itself_after_epochs=pays,
            )
        )
    return rows


def custom_cnn(folder: Path, size: int, batch_size: int, epochs: int, repeats: int) -> Result:
    """Training of the custom CNN, images per second: ours against benchmarks/plain.py."""
    from fakeface_utils.networks.models import custom_cnn as build
    from fakeface_utils.networks.training import fit

    study = study_of(folder, image_size=size, batch_size=batch_size, epochs=epochs)
    prepare(study)
    inputs, labels = _arrays(study, "train")
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(repeats):
        one = (inputs[:1], labels[:1])  # the usual way has no validation either
        history = fit(study, "custom_cnn", build(study), 0, (inputs, labels), one)
        ours.append(statistics.median(history["seconds"][1:]))
        theirs.append(plain_epoch(folder, size, batch_size, epochs))
    return result(
        f"training the custom CNN at {size} px",
        "images/s",
        len(labels) / statistics.median(ours),
        len(labels) / statistics.median(theirs),
        repeats=repeats * (epochs - 1),
        batch_size=batch_size,
    )


def vgg16_column(folder: Path, size: int, batch_size: int, repeats: int) -> list[Result]:
    """Features once and then a head, against the base in every epoch; and five seeds of each."""
    import keras

    from fakeface_utils.networks.features import extract_features
    from fakeface_utils.networks.imagenet import frozen_base
    from fakeface_utils.networks.models import vgg16_head
    from fakeface_utils.networks.training import fit
    from fakeface_utils.study.artefacts import read_features

    epochs = Study().epochs
    study = study_of(folder, image_size=size, batch_size=batch_size, epochs=epochs)
    prepare(study)
    base = frozen_base(study)
    labels = {split: _arrays(study, split)[1] for split in ("train", "valid")}

    def arrays(read: Callable[[Study, str], Any]) -> list[Any]:
        return [(read(study, split), labels[split]) for split in ("train", "valid")]

    def new_head() -> keras.Model:
        keras.utils.set_random_seed(0)
        return vgg16_head(study, base.output.shape[1:])

    def end_to_end(count: int) -> tuple[keras.Model, pd.DataFrame]:
        head = new_head()
        x = base.output
        for layer in head.layers:
            x = layer(x)
        changed = study.model_copy(update={"epochs": count})
        network = keras.Model(base.input, x)
        return head, fit(changed, "vgg16", network, 0, *arrays(read_images))

    def head_alone(count: int, times: int = 1) -> tuple[keras.Model, pd.DataFrame]:
        size = Study().batch_size if times > 1 else batch_size
        changed = study.model_copy(update={"epochs": count, "batch_size": size})
        train, valid = (
            (np.concatenate([x] * times), np.tile(y, times)) for x, y in arrays(read_features)
        )
        return (head := new_head()), fit(changed, "vgg16", head, 0, train, valid)

    def make_features() -> float:
        start = time.perf_counter()
        for split in ("train", "valid"):
            features_step(study, split).forget()
            extract_features(study, split)
        return time.perf_counter() - start

    make_features()  # warm-up
    whole, once, head = [], [], []
    for _ in range(repeats):
        whole.append(float(end_to_end(2)[1]["seconds"].iloc[1]))
        once.append(make_features())
        # An update costs as much for few images, so the head gets more images, in larger batches.
        head.append(float(head_alone(4, MORE)[1]["seconds"][1:].mean()) / MORE)
    a, b = (way(1)[0].get_weights() for way in (end_to_end, head_alone))
    start = new_head().get_weights()
    moved = sum(float(np.square(x - y).sum()) for x, y in zip(a, start, strict=True))
    apart = sum(float(np.square(x - y).sum()) for x, y in zip(a, b, strict=True))
    e2e, made, alone = map(statistics.median, (whole, once, head))
    one, five = made + epochs * alone, made + 5 * epochs * alone
    count = sum(map(len, labels.values()))
    return [
        result(
            f"VGG16 at {size} px, {epochs} epochs",
            "s",
            one,
            epochs * e2e,  # from one measured epoch
            repeats=repeats,
            size=size,
            images=count,
            forward_images_per_s=count / made,
            head_images_per_s=len(labels["train"]) / alone,
            weights_apart=float(np.sqrt(apart / moved)),  # of the way that training moved them
        ),
        result(f"VGG16 at {size} px, five seeds against one", "times", five / one, 5.0),
    ]


def five_seeds(folder: Path, size: int) -> Result:
    """All of VGG16's work, five seeds against one, as the notebooks run it."""
    from fakeface_utils.networks.features import extract_features
    from fakeface_utils.networks.training import train

    study = study_of(folder, image_size=size)
    prepare(study)
    for split in ("train", "valid"):
        extract_features(study, split)
    for seed in range(6):  # the first is the warm-up
        train(study, "vgg16", seed)
    made = sum(seconds(features_step(study, split)) for split in ("train", "valid"))
    heads = [seconds(train_step(study, "vgg16", seed)) for seed in range(1, 6)]
    one = made + statistics.median(heads)
    images = sum(len(read_manifest(study, split)) for split in ("train", "valid"))
    return result(
        f"VGG16 at {size} px (the demo's), five seeds against one",
        "times",
        (made + sum(heads)) / one,
        5.0,
        size=size,
        forward_images_per_s=images / made,
    )


def measure() -> Result:
    """All measurements; about a quarter of an hour on two cores."""
    sizes = ((1000, 100), (250, 20), (20, 4), (50, 10))
    many, some, few, more = (draw_images(*counts) for counts in sizes)
    measured = header()
    work: dict[str, Callable[[], Any]] = {
        "loading": lambda: loaders(many, 224, repeats=5),
        "training at 64 px": lambda: custom_cnn(some, 64, batch_size=25, epochs=3, repeats=3),
        "training at 224 px": lambda: custom_cnn(few, 224, batch_size=20, epochs=3, repeats=3),
        "VGG16 at 224 px": lambda: vgg16_column(more, 224, batch_size=20, repeats=3),
        "five seeds": lambda: five_seeds(some, 56),
        "other images": lambda: evaluating(many, 64, repeats=3),
        "growth": lambda: growth(few, (1000, 4000, 16000), 56),
    }
    rows = {}
    with places():
        for number, (name, way) in enumerate(work.items(), start=1):
            start = time.perf_counter()
            print(f"[{number}/{len(work)}] {name}", flush=True)
            with redirect_stdout(io.StringIO()), stderr_to(os.devnull):  # bars and messages
                rows[name] = way()
            print(f"[{number}/{len(work)}] {name}: {time.perf_counter() - start:.0f} s", flush=True)
    small, large = rows["training at 64 px"], rows["training at 224 px"]
    column, demo_seeds = rows["VGG16 at 224 px"], rows["five seeds"]
    measured["results"] = [
        *rows["loading"],
        small,
        large,
        *column,
        demo_seeds,
        rows["other images"],
    ]
    measured["growth"] = rows["growth"]
    measured["speeds"] = {
        "training": {64: small["ours"], 224: large["ours"]},
        "forward": {row["size"]: row["forward_images_per_s"] for row in (demo_seeds, column[0])},
    }
    return measured


def bench() -> Path:
    """Measure this machine, save the numbers as JSON and CSV, and draw them.

    Returns:
        The path of the JSON file.
    """
    measured, path = measure(), bench_json()
    write_json(path, measured)
    write_csv(path.with_suffix(".csv"), table(measured))
    figure = chart(measured)
    for suffix in (".png", ".pdf"):
        with write_atomic((figures_dir("bench") / path.stem).with_suffix(suffix)) as part:
            figure.savefig(part)
    print(table(measured).to_string(index=False, float_format="{:.2f}".format))
    return path
