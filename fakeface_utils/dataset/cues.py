"""Whether a cue that isn't about the face gives the class away."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

CUES = ("file size", "JPEG tables", "mean colour", "thumbnail")

CUE_IMAGES = 5_000  # most images from which an accuracy is measured


def cue_accuracies(
    manifest: pd.DataFrame, thumbnails: npt.NDArray[np.uint8]
) -> tuple[dict[str, Any], int]:
    """How well each cue alone predicts the class.

    Five-fold cross-validated logistic regression on at most `CUE_IMAGES` images, drawn with seed
    0; the interval is Wilson's, 95 %. Chance is 0.5 if the classes have equal size.

    Args:
        manifest: of the training images alone.
        thumbnails: (N, side, side, 3), in the manifest's order.

    Returns:
        For each of `CUES` accuracy, ci_low and ci_high (nothing if a class has one image); and how
        many images were used.
    """
    rows = np.random.default_rng(0).permutation(len(manifest))[:CUE_IMAGES]
    manifest, pixels = manifest.iloc[rows], thumbnails[rows].astype("float32")
    labels = manifest["label"].to_numpy()
    # Strongly regularized, as a thumbnail has hundreds of values.
    scaled = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))
    tables = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression(C=0.01))
    inputs = {
        "file size": (scaled, manifest[["bytes"]].to_numpy("float64")),
        "JPEG tables": (tables, manifest[["jpeg_tables"]].to_numpy(str)),
        "mean colour": (scaled, pixels.mean(axis=(1, 2))),
        "thumbnail": (scaled, pixels.reshape(len(pixels), -1)),
    }
    folds = min(5, int(np.bincount(labels, minlength=2).min()))
    accuracies: dict[str, Any] = {}
    for cue in CUES if folds > 1 else ():
        model, values = inputs[cue]
        right = int((cross_val_predict(model, values, labels, cv=folds) == labels).sum())
        chance = scipy.stats.binomtest(right, len(labels)).proportion_ci(method="wilson")
        accuracy = right / len(labels)
        accuracies[cue] = {"accuracy": accuracy, "ci_low": chance.low, "ci_high": chance.high}
    return accuracies, len(labels)
