"""Cheap cues: whether something that isn't about the face gives the class away.

A cue is one record in `CUES`; another needs no edit elsewhere.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fakeface_utils.metrics import known, proportion_variance

CUE_IMAGES = 5_000  # most images from which an accuracy is measured
PLACE = ["down", "right", "zoom"]  # of a face against the mean face


class Cue(NamedTuple):
    """What it is called; (N, k) values from N manifest rows and their thumbnails; if it's words."""

    name: str
    values: Callable[[pd.DataFrame, npt.NDArray[np.float32]], npt.NDArray[Any]]
    words: bool = False


CUES = [
    Cue("file size", lambda manifest, pixels: manifest[["bytes"]].to_numpy("float64")),
    Cue("JPEG tables", lambda manifest, pixels: manifest[["jpeg_tables"]].to_numpy(str), True),
    Cue("mean colour", lambda manifest, pixels: pixels.mean(axis=(1, 2))),
    Cue("thumbnail", lambda manifest, pixels: pixels.reshape(len(pixels), -1)),
    # Sizes too: faces that lie off by chance are off to every side alike.
    Cue("position", lambda manifest, pixels: np.hstack([manifest[PLACE], manifest[PLACE].abs()])),
]


def cue_rows(images: int) -> npt.NDArray[np.int64]:
    """At most `CUE_IMAGES` rows of so many, drawn with seed 0."""
    return np.random.default_rng(0).permutation(images)[:CUE_IMAGES]


def cue_accuracies(manifest: pd.DataFrame, thumbnails: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """How well each cue alone predicts the class of images, and what guessing would.

    Five-fold cross-validated logistic regression; the interval is Wilson's. `balanced`, the mean of
    both classes' accuracies with its interval, would be 0.5 by chance. No cue is measured if a
    class has one image. `chance` is the larger class's share of these images: what always guessing
    that class gets right.
    """
    pixels = thumbnails.astype("float32")
    labels = manifest["label"].to_numpy()
    counts = np.bincount(labels, minlength=2)
    folds, cues = min(5, int(counts.min())), {}
    for cue in CUES if folds > 1 else ():
        scale = OneHotEncoder(handle_unknown="ignore") if cue.words else StandardScaler()
        # Strongly regularized, as a thumbnail has hundreds of values.
        model = make_pipeline(scale, LogisticRegression(C=0.01, max_iter=200))
        called = cross_val_predict(model, cue.values(manifest, pixels), labels, cv=folds)
        right = int((called == labels).sum())
        ends = binomtest(right, len(labels)).proportion_ci(method="wilson")
        accuracy = right / len(labels)
        cues[cue.name] = {"accuracy": accuracy, "ci_low": ends.low, "ci_high": ends.high}
        shares = [(called == labels)[labels == label].mean() for label in (0, 1)]
        variances = map(proportion_variance, shares, counts.tolist())
        both = known([np.mean(shares)], sum(variances) / 4)
        names = "balanced", "balanced_low", "balanced_high"
        cues[cue.name] |= dict(zip(names, both, strict=True))
    return {"cues": cues, "cue_images": len(labels), "chance": counts.max() / len(labels)}
