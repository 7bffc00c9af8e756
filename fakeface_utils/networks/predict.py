"""Predictions of the saved models: for the test set, and for a person's own images."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd

from ..common.errors import StudyError
from ..common.files import write_csv
from ..common.paths import shown
from ..dataset.decode import UNREADABLE, decode
from ..study.artefacts import (
    read_features,
    read_images,
    read_manifest,
    read_predictions,
    read_study_json,
    seed_dir,
)
from ..study.plan import predict_step
from ..study.settings import Study
from .batches import Batches
from .device import distribute


def load_model(run: str, model: str, seed: int) -> keras.Model:
    """A run's saved model: raw uint8 RGB images (N, size, size, 3) to p_fake (N, 1).

    Loaded in Keras' safe mode: a model file that carries code is refused.

    Raises:
        StudyError: the run has no such model.
    """
    path = seed_dir(run, model, seed) / "model.keras"
    if not path.is_file():
        raise StudyError(f"{shown(path)} is missing: train it with fakeface report --run {run}")
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def predict_test(study: Study, model: str, seed: int) -> pd.DataFrame:
    """Predict every image of the test set with one saved model, unless that is done.

    The VGG16 model's head reads the test set's features: its frozen base runs once for all seeds.

    Returns:
        path, label (1 is fake) and p_fake (0 to 1), one row per image.

    Raises:
        StudyError: the model, the prepared images or the features are missing.
    """
    step = predict_step(study, model, seed)
    path = seed_dir(study.run, model, seed) / "predictions.csv"

    def predict() -> None:
        table = read_manifest(study, "test")[["path", "label"]]
        distribute(study)
        network = load_model(study.run, model, seed)
        inputs: npt.NDArray = read_images(study, "test")
        if model == "vgg16":
            network, inputs = network.get_layer("head"), read_features(study, "test")
        batches = Batches(inputs, table["label"].to_numpy(), study.batch_size)
        p_fake = network.predict(batches, verbose=0)[:, 0]
        if not np.isfinite(p_fake).all():
            raise StudyError(f"{step.name}: some outputs are no finite numbers: train it again")
        write_csv(path, table.assign(p_fake=p_fake.astype("float64")))

    if not step.do(predict):
        print(f"{step.name}: up to date")
    return read_predictions(study, model, seed)


def predict_images(
    paths: Sequence[Path], run: str, model: str, seed: int
) -> tuple[pd.DataFrame, list[str]]:
    """p_fake of image files, prepared as the run's own images were.

    Returns:
        A table with path, p_fake (0 to 1) and label in words, one row per image; and sentences on
        what makes an answer mean less.

    Raises:
        StudyError: the run has no such model, or a file is missing or no image.
    """
    record = read_study_json(run)
    resize_filter = record.get("settings", {}).get("resize_filter", "bilinear")
    network = load_model(run, model, seed)
    size = network.input.shape[1]
    pixels, warnings = [], []
    for path in paths:
        try:
            array, about = decode(path.read_bytes(), size, resize_filter)
        except UNREADABLE as error:
            raise StudyError(f"{path} can't be read as an image: give a JPEG or PNG") from error
        pixels.append(array)
        width, height = about["width"], about["height"]
        if width != height:
            warnings.append(f"{path} is {width} x {height} pixels: it is squeezed into a square")
        if min(width, height) < size:
            warnings.append(f"{path} is smaller than the network's {size} pixels: it is enlarged")
        if record.get("dataset", {}).get("generated") and not about["generated"]:
            warnings.append(
                f"run {run} learned from generated portraits: its answer on {path} says nothing"
            )
    p_fake = network.predict_on_batch(np.stack(pixels))[:, 0]
    words = ["fake" if p >= 0.5 else "real" for p in p_fake]
    table = pd.DataFrame({"path": list(map(str, paths)), "p_fake": p_fake, "label": words})
    return table, warnings
