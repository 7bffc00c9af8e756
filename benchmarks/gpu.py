"""`make bench GPU=1`: the paper's profile on one GPU, both models, on 140,000 generated images.

Needs no notebooks and no TensorFlow; benchmarks/gpu.sh lists what it needs, and brings to a machine
without Keras what is missing there. VGG16's weights are random: speed only.
"""

import functools
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.common import Result, header, places
from benchmarks.memory import PeakMemory
from fakeface_utils.common.errors import StudyError
from fakeface_utils.common.files import write_csv, write_json
from fakeface_utils.common.machine import gpus
from fakeface_utils.dataset.prepare import prepare
from fakeface_utils.run.estimate import bench_json
from fakeface_utils.study.artefacts import dataset_json, read_images, read_manifest
from fakeface_utils.study.names import CLASSES, MODELS, SPLITS
from fakeface_utils.study.paper import PAPER_COUNTS
from fakeface_utils.study.plan import (
    decode_step,
    features_step,
    predict_step,
    prepare_step,
    train_step,
)
from fakeface_utils.study.settings import PROFILES, Study

DRAWN = 334  # images of each class and split: 2,004 in all
STEPS = 100  # training steps per timing
SEEDS = (0, 1, 2)  # for each precision, on the demo
PRECISIONS = ("float32", "mixed")
PAPER = Study(data="/rows", run="speed", vgg16_weights="random")


def fill(study: Study, source: Study, counts: dict[str, int]) -> None:
    """Prepared arrays of `counts` rows: the source's images again and again, with noise."""
    for split, count in counts.items():
        step = decode_step(study, split)
        step.do(functools.partial(_fill_split, step.outputs, source, split, count))
    half = {split: dict.fromkeys(CLASSES, count // 2) for split, count in counts.items()}
    dataset = {"name": "generated", "generated": True, "counts": half}
    dataset |= {"fingerprint": "", "unreadable": {}, "left_out": ""}
    prepare_step(study).do(lambda: write_json(dataset_json(study), dataset))


def _fill_split(paths: tuple[Path, ...], source: Study, split: str, count: int) -> None:
    """Write what decoding a split leaves: its array, manifest and unreadable images."""
    array, manifest, unreadable = paths
    array.parent.mkdir(parents=True, exist_ok=True)
    images, table = read_images(source, split), read_manifest(source, split)
    rows = np.lib.format.open_memmap(array, "w+", np.uint8, (count, *images.shape[1:]))

    def write(start: int) -> None:
        chosen = np.arange(start, min(start + 500, count)) % len(images)
        noise = np.random.default_rng(start).integers(0, 8, rows[chosen].shape, np.uint8)
        rows[start : start + 500] = images[chosen] // 8 * 7 + noise  # at most 224

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(write, range(0, count, 500)))
    labels = table["label"].to_numpy()[np.arange(count) % len(table)]
    names = [f"{split}/{number}" for number in range(count)]
    write_csv(manifest, pd.DataFrame({"path": names, "label": labels}))
    write_json(unreadable, {})


def _seconds(work: Callable[[], Any], repeats: int) -> float:
    """The mean seconds of a call, over several calls in a row, until the device has finished."""
    from keras import ops

    def wait(array: Any) -> None:
        ops.convert_to_numpy(array[:1, :1])

    wait(work())
    start = time.perf_counter()
    for _ in range(repeats):
        last = work()
    wait(last)
    return (time.perf_counter() - start) / repeats


def ceilings(side: int = 8192, repeats: int = 20) -> dict[str, float]:
    """The device's measured limits: operations/s of large matrix products, bytes/s of a copy."""
    from keras import ops

    rng = np.random.default_rng(0)
    a = ops.convert_to_tensor(rng.normal(size=(side, side)).astype("float32"))
    reached = {"bytes": 2 * 4 * side**2 / _seconds(lambda: a + 1.0, repeats)}
    for name, dtype in (("float32", "float32"), ("mixed", "bfloat16")):
        x = ops.cast(a, dtype)
        multiply = functools.partial(ops.matmul, x, x)
        reached[name] = 2 * side**3 / _seconds(multiply, repeats)
    return reached


def floor(
    architecture: pd.DataFrame, batch_size: int, training: bool, width: int
) -> dict[str, float]:
    """The fewest operations and bytes of one step, if every array is moved only where it must be.

    Operations: two per multiply-add; training takes three times as many (forward, and the gradients
    of inputs and weights). Bytes: going forward, a convolution's output is written and read once.
    In training, batch normalization reads it twice (for the statistics, then for the values, which
    go through pooling in the same pass) and twice more going back; its gradient is written once and
    read twice; the pooled quarter is written and read three times, and so is its gradient. Adam
    reads four float32 arrays of every trained weight and writes three.

    Args:
        architecture: the table of `models.architecture`.
        batch_size: images per step.
        training: a training step, not a forward pass alone.
        width: bytes per number inside the network.
    """
    convolutions = architecture[architecture["kind"] == "Conv2D"]
    sides = convolutions["output_shape"].str.split("x").map(lambda s: np.prod([int(n) for n in s]))
    values = float(sides.sum()) * batch_size
    operations = 2.0 * float(architecture["multiply_adds"].sum()) * batch_size
    if not training:
        return {"operations": operations, "bytes": 2 * values * width}
    adam = 7 * 4.0 * float(architecture["trainable"].sum())
    return {"operations": 3 * operations, "bytes": (8 + 6 / 4) * values * width + adam}


def _lower_bound(needed: dict[str, float], reached: dict[str, float], precision: str) -> float:
    """Lower bound on a step's seconds: the larger of compute time and memory time."""
    return max(needed["operations"] / reached[precision], needed["bytes"] / reached["bytes"])


def steps(study: Study, reached: dict[str, float], precision: str) -> list[Result]:
    """Seconds of a step of both models, from one batch in memory and from the arrays on disk."""
    import keras

    from fakeface_utils.networks.batches import Batches
    from fakeface_utils.networks.device import precision as computing
    from fakeface_utils.networks.imagenet import frozen_base
    from fakeface_utils.networks.models import architecture, custom_cnn
    from fakeface_utils.networks.training import compile_network

    study = study.model_copy(update={"precision": precision})
    size, width = study.batch_size, 4 if precision == "float32" else 2
    images = read_images(study, "train")[: size * STEPS]
    labels = read_manifest(study, "train")["label"].to_numpy()[: len(images)]
    order = np.random.default_rng(0).permutation(len(images))
    again = np.arange(len(images)) % size  # the same batch in every step
    with computing(study):
        network, base = custom_cnn(study), frozen_base(study)
    compile_network(study, "custom_cnn", network, STEPS)

    def timed(rows: npt.NDArray[np.int64], inputs: npt.NDArray) -> float:
        start = time.perf_counter()
        network.fit(Batches(inputs, labels, size, rows), shuffle=False, verbose=0)
        return (time.perf_counter() - start) / (len(rows) / size)

    batch = np.array(images[:size])
    timed(again, batch)  # compiles
    held, read = timed(again, batch), timed(order, images)
    forward = keras.ops.convert_to_tensor(batch)
    passed = _seconds(functools.partial(base.predict_on_batch, forward), 10)
    rows = []
    for name, model, training, took in (
        ("custom CNN, training, one batch in memory", network, True, held),
        ("custom CNN, training, from the arrays", network, True, read),
        ("VGG16, forward", base, False, passed),
    ):
        needed = floor(architecture(model), size, training, width)
        least = _lower_bound(needed, reached, precision)
        rows.append(
            {
                "what": f"{name}, {precision}",
                "unit": "s/step",
                "ours": took,
                "floor": least,
                "share_of_ceiling": least / took,
                "images_per_s": size / took,
            }
        )
    return rows


def chain(study: Study, epochs: int) -> dict[str, float]:
    """Run the paper's profile step by step; return the seconds of each step."""
    from fakeface_utils.networks.features import extract_features
    from fakeface_utils.networks.predict import predict_test
    from fakeface_utils.networks.training import train

    study = study.model_copy(update={"epochs": epochs})
    train(study, "custom_cnn", 0)
    for split in SPLITS:
        extract_features(study, split)
    train(study, "vgg16", 0)
    for model in MODELS:
        predict_test(study, model, 0)
    done = [train_step(study, model, 0) for model in MODELS]
    done += [features_step(study, split) for split in SPLITS]
    done += [predict_step(study, model, 0) for model in MODELS]
    return {step.name: (step.cost() or {})["seconds"] for step in done}


def equal_precisions(epochs: int) -> list[Result]:
    """Validation accuracy of the demo's custom CNN under each precision, seed by seed."""
    from fakeface_utils.networks.training import train

    rows = []
    for precision in PRECISIONS:
        values = {**PROFILES["demo"], "run": precision, "precision": precision, "epochs": epochs}
        study = Study(profile="demo", **values)
        prepare(study)
        histories = [train(study, "custom_cnn", seed) for seed in SEEDS]
        kept = [float(h["val_accuracy"][h["val_loss"].idxmin()]) for h in histories]
        rows.append({"precision": precision, "seeds": list(SEEDS), "val_accuracy": kept})
    return rows


def bench_gpu(
    study: Study = PAPER,
    counts: dict[str, int] | None = None,
    side: int = 8192,
    seconds: float = 480,
) -> Path:
    """Measure the paper's profile on this machine's GPU and save the numbers.

    Args:
        study: what is trained.
        counts: images of each split; without them, the paper's.
        side: of the matrices for `ceilings`.
        seconds: for everything; the chain gets fewer epochs if 15 would take longer, and the file
            says how many.

    Returns:
        The path of the JSON file.

    Raises:
        StudyError: the paper's counts are wanted and there is no GPU.
    """
    begin = time.perf_counter()
    if not gpus() and counts is None:
        raise StudyError("there is no GPU that the NVIDIA driver shows: run make bench")
    counts = counts or {split: 2 * count for split, count in PAPER_COUNTS.items()}
    measured = header()
    with places(), PeakMemory() as memory:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = os.environ["FAKEFACE_DATA"] + "/jax"
        distinct = min(DRAWN, min(counts.values()) // 2)
        small = {"data": "demo", "image_size": study.image_size, "images_per_class": distinct}
        source = Study(profile="demo", run="source", **small)
        start = time.perf_counter()
        prepare(source)
        measured["drawing_and_preparing_2004_s"] = time.perf_counter() - start
        start = time.perf_counter()
        fill(study, source, counts)
        measured["filling_s"] = time.perf_counter() - start
        print("the arrays are filled")
        measured["ceilings"] = reached = ceilings(side)
        measured["steps"] = [row for p in PRECISIONS for row in steps(study, reached, p)]
        print(pd.DataFrame(measured["steps"]).to_string(index=False))
        step = measured["steps"][1]["ours"]  # from the arrays, in float32
        left = 0.6 * (seconds - (time.perf_counter() - begin))
        epoch = step * (counts["train"] + counts["valid"] / 3) / study.batch_size
        measured["epochs"] = epochs = max(1, min(study.epochs, int(left / epoch)))
        measured["counts"] = counts
        measured["chain_s"] = took = chain(study, epochs)
        trained = epochs * (counts["train"] + counts["valid"] / 3)
        passed = sum(seconds for name, seconds in took.items() if "features" in name)
        measured["speeds"] = {
            "training": {study.image_size: trained / took["train custom_cnn seed 0"]},
            "forward": {study.image_size: sum(counts.values()) / passed},
        }
        print(pd.Series(measured["chain_s"]).to_string())
        if time.perf_counter() - begin < 0.8 * seconds:
            measured["equal_precisions"] = equal_precisions(PROFILES["demo"]["epochs"])
    measured |= {"peak_memory": memory.peak, "seconds": time.perf_counter() - begin}
    write_json(bench_json(), measured)
    return bench_json()
