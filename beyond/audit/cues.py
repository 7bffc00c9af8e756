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

CUE_IMAGES = 5_000  # most images from which an accuracy is measured


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
]


def cue_accuracies(manifest: pd.DataFrame, thumbnails: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """How well each cue alone predicts the class of training images, and what guessing would.

    Five-fold cross-validated logistic regression on at most `CUE_IMAGES` images, drawn with seed 0;
    the interval is Wilson's. No cue is measured if a class has one image. `chance` is the larger
    class's share of these images: what always guessing that class gets right.
    """
    rows = np.random.default_rng(0).permutation(len(manifest))[:CUE_IMAGES]
    manifest, pixels = manifest.iloc[rows], thumbnails[rows].astype("float32")
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
    return {"cues": cues, "cue_images": len(labels), "chance": counts.max() / len(labels)}
