"""Accuracy, precision, recall and F1, and the confusion matrix behind them."""

from typing import Any

import numpy as np
import numpy.typing as npt


def confusion(
    labels: npt.ArrayLike, p_fake: npt.ArrayLike, positive_class: str = "fake"
) -> npt.NDArray[np.int64]:
    """[[TP, FN], [FP, TN]] at a threshold of 0.5: rows are the truth, the positive class first.

    Args:
        labels: (N,) 1 for fake, 0 for real.
        p_fake: (N,) predicted probability of fake, 0 to 1.
        positive_class: 'fake', as in the paper's text, or 'real'.
    """
    from sklearn.metrics import confusion_matrix  # slow to import: not for a run that is up to date

    order = [1, 0] if positive_class == "fake" else [0, 1]
    return confusion_matrix(labels, np.asarray(p_fake) >= 0.5, labels=order)


def rates(tp: Any, fn: Any, fp: Any, tn: Any) -> dict[str, Any]:
    """Accuracy, precision, recall and F1 (equations 3 to 6 of the paper) from counts or arrays.

    If nothing was called positive, precision and F1 are 0.
    """
    return {
        "accuracy": (tp + tn) / (tp + fn + fp + tn),
        "precision": tp / np.maximum(tp + fp, 1),
        "recall": tp / np.maximum(tp + fn, 1),
        "f1": 2 * tp / np.maximum(2 * tp + fp + fn, 1),
    }


def metrics(
    labels: npt.ArrayLike, p_fake: npt.ArrayLike, positive_class: str = "fake"
) -> dict[str, float]:
    """The four metrics by name; the arguments are those of `confusion`."""
    cells = confusion(labels, p_fake, positive_class).ravel()
    return {name: float(value) for name, value in rates(*cells).items()}
