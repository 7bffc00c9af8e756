"""Predictions of the saved models for the validation and the test set."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..common.errors import StudyError
from ..common.files import write_csv
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
