"""Intervals: how well a mean over seeds is known, and where one more training run would fall."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from .metrics import rates

RESAMPLES = 10_000
Z = float(ndtri(0.975))


def interval(values: npt.ArrayLike, variance: npt.ArrayLike = 0.0) -> tuple[Any, Any]:
    """The 95 % interval of a mean over seeds, or of a mean difference; the only one in the study.

    m +- sqrt(t(n-1)^2 s^2 / n + z^2 v). All seeds share one test set, so the variance v of its
    choice doesn't average out over them, and v is known with more than n - 1 degrees of freedom:
    the two parts are added in quadrature, each with its own factor (Zou and Donner 2008). One seed
    gives no s: the interval then covers the choice of images, not run-to-run variation.

    Percentage of 40,000 simulated studies whose interval contains the true accuracy, 0.95, for n
    seeds of standard deviation sd and N test images, with v from `proportion_variance`:

             N     sd    n = 2      3      5     10
           400  0.002     97.4   95.3   94.9   95.0
           400  0.010     98.6   97.5   95.8   95.0
           400  0.030     97.3   96.9   96.3   95.4
         2,000  0.002     98.6   96.4   95.5   95.2
         2,000  0.010     97.7   97.4   96.6   95.6
         2,000  0.030     95.7   95.8   95.6   95.4
        20,000  0.002     98.5   97.5   96.3   95.5
        20,000  0.010     95.8   95.8   95.6   95.5
        20,000  0.030     95.1   94.9   95.2   94.8

    Without v, an interval covers only 61 % at n = 20, sd 0.01 and N = 2,000.

    Args:
        values: (..., n), the metric of each seed.
        variance: (...), v, the metric's variance over test sets of this size; 0 for a statement
            about these images alone.

    Returns:
        The lower and the upper end, (...) each; they may lie outside 0 to 1.
    """
    seeds = np.asarray(values, dtype=float)
    n, mean = seeds.shape[-1], seeds.mean(axis=-1)
    spread = stdtrit(n - 1, 0.975) ** 2 * seeds.var(axis=-1, ddof=1) / n if n > 1 else 0.0
    half = np.sqrt(spread + Z**2 * np.asarray(variance))
    return mean - half, mean + half


def proportion_variance(share: npt.ArrayLike, images: int) -> Any:
    """The variance of a share of N images, never 0 (Agresti and Coull 1998).

    p (1 - p) / (N + z^2) with p = (N share + z^2 / 2) / (N + z^2).

    Args:
        share: 0 to 1.
        images: N.
    """
    count = images + Z**2
    p = (images * np.clip(share, 0, 1) + Z**2 / 2) / count
    return p * (1 - p) / count


def paired_variance(better: npt.ArrayLike, worse: npt.ArrayLike, images: int) -> Any:
    """The variance of a difference of two accuracies on the same N images (Agresti and Min 2005).

    An image counts 1, -1 or 0: the variance is the mean square less the squared mean, with half an
    image added to each of the four kinds.

    Args:
        better, worse: how many images only the one, or only the other network got right.
        images: N.
    """
    b, c, n = np.asarray(better) + 0.5, np.asarray(worse) + 0.5, images + 2
    return ((b + c) / n - ((b - c) / n) ** 2) / n


def metric_variances(matrix: npt.NDArray[np.int64]) -> dict[str, float]:
    """The variance of each metric over test sets of this size, never 0.

    Accuracy is a share, see `proportion_variance`. The others are resampled: drawing images with
    replacement is drawing the four cells of the confusion matrix from a multinomial distribution.
    Each cell gets z^2 / 2 images more, which makes recall and precision what Agresti and Coull's
    adjustment makes of a share.

    Args:
        matrix: [[TP, FN], [FP, TN]].
    """
    cells = np.asarray(matrix).ravel()
    adjusted = cells + Z**2 / 2
    draws = np.random.default_rng(0).multinomial(
        round(adjusted.sum()), adjusted / adjusted.sum(), RESAMPLES
    )
    variances = {name: float(drawn.var()) for name, drawn in rates(*draws.T).items()}
    accuracy = (cells[0] + cells[3]) / cells.sum()
    return variances | {"accuracy": float(proportion_variance(accuracy, int(cells.sum())))}


def prediction_half_width(values: Sequence[float]) -> float:
    """Half the 95 % prediction interval of one more run: t(n-1) s sqrt(1 + 1/n).

    The choice of test images adds nothing: the paper's run was tested on the same ones.

    Args:
        values: the metric of each seed, at least two.
    """
    n = len(values)
    return float(stdtrit(n - 1, 0.975) * np.std(values, ddof=1) * np.sqrt(1 + 1 / n))
