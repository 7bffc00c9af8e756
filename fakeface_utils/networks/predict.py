"""Predictions of the saved models: for the test set, and for a person's own images."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..common.errors import StudyError
from ..common.files import write_csv
from ..dataset.decode import UNREADABLE, decode, read_file, reason
from ..study.artefacts import (
    predictions_csv,
    read_features,
    read_images,
    read_manifest,
    read_predictions,
    validation_csv,
)
from ..study.plan import predict_step
from ..study.settings import Study
from .batches import Batches
from .device import distribute
from .trained import load_model

AT_ONCE = 32  # files decoded and predicted together: bounds memory


def predict_test(study: Study, model: str, seed: int) -> pd.DataFrame:
    """Predict the test set with one saved model, and the validation set, unless that is done.

    The VGG16 model's head reads features: its frozen base runs once for all seeds.

    Returns:
        path, label (1 is fake) and p_fake (0 to 1), one row per image of the test set.

    Raises:
        StudyError: the model, the prepared images or the features are missing.
    """
    step = predict_step(study, model, seed)

    def predict() -> None:
        distribute(study)
        network = load_model(study.run, model, seed)
        network = network.get_layer("head") if model == "vgg16" else network
        read = read_features if model == "vgg16" else read_images
        for split, path in (("valid", validation_csv), ("test", predictions_csv)):
            table = read_manifest(study, split)[["path", "label"]]
            inputs: npt.NDArray = read(study, split)
            batches = Batches(inputs, table["label"].to_numpy(), study.batch_size)
            p_fake = network.predict(batches, verbose=0)[:, 0]
            if not np.isfinite(p_fake).all():
                raise StudyError(f"{step.name}: some outputs are no finite numbers: train it again")
            write_csv(path(study.run, model, seed), table.assign(p_fake=p_fake.astype("float64")))

    if not step.do(predict):
        print(f"{step.name}: up to date")
    return read_predictions(study, model, seed)


def predict_images(
    paths: Sequence[Path], run: str, model: str, seed: int, resize_filter: str, generated: bool
) -> Iterator[tuple[Path, float | None, list[str]]]:
    """p_fake of image files, prepared as the run's own images were.

    Args:
        paths: the files.
        run: whose model is asked.
        model: a name of `MODELS`.
        seed: of its training run.
        resize_filter: the run's.
        generated: whether the run learned from generated images.

    Yields:
        Each file, p_fake (0 to 1; None where it can't be read), and sentences on why it can't be,
        or on what makes the answer mean less.

    Raises:
        StudyError: the run has no such model, or its file is damaged or another's.
    """
    network = load_model(run, model, seed)
    size = network.input_shape[1]
    for start in range(0, len(paths), AT_ONCE):
        members = paths[start : start + AT_ONCE]
        decoded = [_decode(path, size, resize_filter, generated) for path in members]
        pixels = [array for array, _ in decoded if array is not None]
        p_fake = network.predict_on_batch(np.stack(pixels))[:, 0] if pixels else np.empty(0)
        if not np.isfinite(p_fake).all():
            raise StudyError(
                f"{model} seed {seed} of run {run} gives no finite numbers: train again"
            )
        answers = iter(p_fake.tolist())
        for path, (array, notes) in zip(members, decoded, strict=True):
            yield path, None if array is None else next(answers), notes


def _decode(
    path: Path, size: int, resize_filter: str, generated: bool
) -> tuple[npt.NDArray[np.uint8] | None, list[str]]:
    """A file's (size, size, 3) uint8 RGB, or None, and sentences as of `predict_images`."""
    try:
        pixels, about = decode(read_file(path), size, resize_filter)
    except UNREADABLE as error:
        return None, [f"it can't be read as an image ({reason(error)})"]
    notes = []
    width, height = about["width"], about["height"]
    if width != height:
        notes.append(f"it is {width} x {height} pixels: it is squeezed into a square")
    if min(width, height) < size:
        notes.append(f"it is smaller than the network's {size} pixels: it is enlarged")
    if generated and not about["generated"]:
        notes.append("the run learned from generated portraits: its answer here says nothing")
    return pixels, notes
