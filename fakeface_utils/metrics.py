"""The four metrics of Table 1, and how well a number is known."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

Z = float(ndtri(0.975))
ANY = (-math.inf, math.inf)


class Known(NamedTuple):
    """A mean over seeds, or of a difference, with its 95 % interval."""

    mean: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        """'0.955 (0.924 to 0.986)' for '.3f'; '+0.070 (+0.065 to +0.075)' for '+.3f'."""
        mean, low, high = (format(value, spec or ".3f") for value in self)
        return f"{mean} ({low} to {high})"


def confusion(
    labels: npt.ArrayLike, p_fake: npt.ArrayLike, positive_class: str = "fake"
) -> npt.NDArray[np.int64]:
    """[[TP, FN], [FP, TN]]: rows are the truth, the positive class first; fake from 0.5 up."""
    truth, called = np.asarray(labels) == 1, np.asarray(p_fake) >= 0.5
    if positive_class == "real":
        truth, called = ~truth, ~called
    return np.array([[(row & call).sum() for call in (called, ~called)] for row in (truth, ~truth)])


def rates(tp: Any, fn: Any, fp: Any, tn: Any) -> dict[str, Any]:
    """Equations 3 to 6 of the paper; precision and F1 are 0 if nothing was called positive."""
    return {
        "accuracy": (tp + tn) / (tp + fn + fp + tn),
        "precision": tp / np.maximum(tp + fp, 1),
        "recall": tp / np.maximum(tp + fn, 1),
        "f1": 2 * tp / np.maximum(2 * tp + fp + fn, 1),
    }


def interval(values: npt.ArrayLike, variance: npt.ArrayLike = 0.0) -> tuple[Any, Any]:
    """The 95 % interval of a mean over seeds, or of a mean difference.

    m +- sqrt(t(n-1)^2 s^2 / n + z^2 v): seeds and test set in quadrature, each with its own factor
    (Zou and Donner 2008), since all seeds share one test set. Coverage: docs/intervals.md.

    `values` are (..., n), the metric of each seed, of which one gives no s; `variance` (...) is v,
    over test sets of this size, or 0 for a statement about these images alone.
    """
    seeds = np.asarray(values, dtype=float)
    n, mean = seeds.shape[-1], seeds.mean(axis=-1)
    spread = stdtrit(n - 1, 0.975) ** 2 * seeds.var(axis=-1, ddof=1) / n if n > 1 else 0.0
    half = np.sqrt(spread + Z**2 * np.asarray(variance))
    return mean - half, mean + half


def prediction_half_width(values: Sequence[float]) -> float:
    """Half the 95 % prediction interval, t(n-1) s sqrt(1 + 1/n), of one more run."""
    # The choice of test images adds nothing: the paper's run was tested on the same ones.
    if (n := len(values)) < 2:
        return math.nan
    return float(stdtrit(n - 1, 0.975) * np.std(values, ddof=1) * np.sqrt(1 + 1 / n))


def proportion_variance(share: npt.ArrayLike, images: int) -> Any:
    """The variance of a share of N images, never 0 (Agresti and Coull 1998)."""
    count = images + Z**2
    p = (images * np.clip(share, 0, 1) + Z**2 / 2) / count
    return p * (1 - p) / count


def paired_variance(better: npt.ArrayLike, worse: npt.ArrayLike, images: int) -> Any:
    """The variance of a difference of two accuracies on the same N images (Agresti and Min 2005).

    `better` and `worse`: how many images only the one, or only the other network got right.
    """
    b, c, n = np.asarray(better) + 0.5, np.asarray(worse) + 0.5, images + 2
    return ((b + c) / n - ((b - c) / n) ** 2) / n


def metric_variances(matrix: npt.ArrayLike) -> dict[str, float]:
    """The variance of each metric over test sets of this size, never 0; of TP, FN, FP and TN.

    Accuracy is a share. For the others the four cells are drawn again, each with z^2 / 2 images
    more, which makes recall and precision what Agresti and Coull's adjustment makes of a share.
    """
    cells = np.ravel(matrix)
    adjusted = cells + Z**2 / 2
    images, shares = round(adjusted.sum()), adjusted / adjusted.sum()
    draws = np.random.default_rng(0).multinomial(images, shares, 10_000)
    variances = {name: float(drawn.var()) for name, drawn in rates(*draws.T).items()}
    accuracy = (cells[0] + cells[3]) / cells.sum()
    return variances | {"accuracy": float(proportion_variance(accuracy, int(cells.sum())))}


def known(values: npt.ArrayLike, variance: float = 0, ends: tuple[float, float] = (0, 1)) -> Known:
    """The mean of (n,) values and its `interval`, cut at `ends` (ANY for a difference)."""
    low, high = (float(np.clip(end, *ends)) for end in interval(values, variance))
    return Known(float(np.asarray(values).mean()), low, high)


def scores(matrices: Sequence[npt.NDArray[np.int64]]) -> dict[str, Known]:
    """The four metrics, each as it is known, from the confusion matrix of each seed."""
    cells = [np.ravel(matrix) for matrix in matrices]
    values, variances = [rates(*of) for of in cells], [metric_variances(of) for of in cells]
    return {
        name: known([of[name] for of in values], float(np.mean([of[name] for of in variances])))
        for name in values[0]
    }


def share_of(yes: npt.NDArray[np.bool_]) -> Known:
    """A share of images, such as accuracy, from (seeds, N) yes or no."""
    shares = yes.mean(axis=1)
    return known(shares, proportion_variance(shares, yes.shape[1]).mean())


def gain(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> Known:
    """How much larger one share is than another of the same images; (seeds, N) each."""
    more, less = (one & ~other).sum(axis=1), (~one & other).sum(axis=1)
    images = one.shape[1]
    return known((more - less) / images, paired_variance(more, less, images).mean(), ANY)
