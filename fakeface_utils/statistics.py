"""The study's statistics: intervals, and the rule by which the paper's claims get their verdicts.

The rule was written down before any result. Our seeds are a sample of runs; the paper is one more.

- A printed value is reproduced if it lies in the 95 % prediction interval of our seeds, and
  undecided where that interval is wider than +-0.02.
- A difference between the two models is reproduced if its 95 % interval lies on the side that the
  paper says, not reproduced if it lies on the other, and undecided if it holds zero. A claim of
  several differences needs all of them, and falls with one.
- An epoch is reproduced within one epoch, and not reached if it is the last that was trained; two
  are at a similar moment if at most two apart (the paper's are one apart). The claim gets what more
  than half of the seeds say, and is undecided where no such half agrees.
- A claim that one thing is less than another, where both are arithmetic and not measured, is
  reproduced below nine tenths and not reproduced above eleven tenths; between, the two are about
  the same, and it is undecided. It needs no data.
- All else is not comparable on generated data, other image counts, other settings or one seed.

A seed whose network collapsed counts as any other.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.stats

WIDEST = 0.02  # half width of a prediction interval beyond which a verdict means nothing
NEAR = 1  # epochs by which a moment may differ from the paper's
SIMILAR = 2  # epochs between two similar moments
ABOUT = 0.1  # share by which two sizes or costs are about the same
RESAMPLES = 10_000


def interval(values: Sequence[float], test_variance: float = 0.0) -> tuple[float, float]:
    """The 95 % interval of a metric's mean over seeds, for the finite test set too.

    m +- t(n-1) * sqrt(s^2 / n + test_variance): the seeds share one test set, so that its chance
    doesn't average out over them. In simulation it covers at least 95 % (more where seeds are few
    and alike, since t widens the test set's share too); seeds alone cover 87 % at n = 20.

    Args:
        values: the metric of each seed, at least two.
        test_variance: the metric's variance over test sets of this size; 0 for a statement on
            these images alone.
    """
    n = len(values)
    half = scipy.stats.t.ppf(0.975, n - 1) * math.sqrt(np.var(values, ddof=1) / n + test_variance)
    return float(np.mean(values) - half), float(np.mean(values) + half)


def prediction_half_width(values: Sequence[float]) -> float:
    """Half the 95 % prediction interval of one more run: t(n-1) * s * sqrt(1 + 1/n).

    The chance in the test images is left out: the paper's run was tested on the same ones.

    Args:
        values: the metric of each seed, at least two.
    """
    n = len(values)
    return float(scipy.stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) * math.sqrt(1 + 1 / n))


def rates(tp: Any, fn: Any, fp: Any, tn: Any) -> dict[str, Any]:
    """Accuracy, precision, recall and F1, equations 3 to 6 of the paper, of counts or arrays.

    Where nothing was called positive, precision and F1 are 0.
    """
    return {
        "accuracy": (tp + tn) / (tp + fn + fp + tn),
        "precision": tp / np.maximum(tp + fp, 1),
        "recall": tp / np.maximum(tp + fn, 1),
        "f1": 2 * tp / np.maximum(2 * tp + fp + fn, 1),
    }


def bootstrap(matrix: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.float64]]:
    """`rates` of resampled test sets, `RESAMPLES` of each, drawn with seed 0.

    Drawing N images with replacement is drawing the four cells of the confusion matrix from a
    multinomial distribution; the metrics depend on nothing else.

    Args:
        matrix: [[TP, FN], [FP, TN]].
    """
    return rates(*resampled(matrix.ravel()).T)


def resampled(counts: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """(RESAMPLES, k) counts of k kinds of images in test sets drawn with replacement, seed 0."""
    kinds = np.asarray(counts)
    draws = np.random.default_rng(0).multinomial(kinds.sum(), kinds / kinds.sum(), RESAMPLES)
    return draws.astype("float64")


def verdict(values: Sequence[float], paper: float, reason: str = "") -> str:
    """The verdict on one value that the paper prints.

    Args:
        values: our metric, one value per seed.
        paper: the value the paper prints.
        reason: why the two can't be compared at all; '' where they can.

    Returns:
        'reproduced', 'not reproduced', 'undecided' or 'not comparable (reason)'.
    """
    if reason:
        return f"not comparable ({reason})"
    half = prediction_half_width(values)
    if not half <= WIDEST:  # also where it is not a number
        return "undecided"
    return "reproduced" if abs(paper - np.mean(values)) <= half else "not reproduced"


def verdict_on_differences(intervals: Iterable[tuple[float, float]], reason: str = "") -> str:
    """The verdict on differences that are all above zero by the paper.

    Args:
        intervals: low and high end of each difference's 95 % interval.
        reason: why there can be no verdict; '' where there can.
    """
    if reason:
        return f"not comparable ({reason})"
    ends = list(intervals)
    if any(high < 0 for _, high in ends):
        return "not reproduced"
    return "reproduced" if ends and all(low > 0 for low, _ in ends) else "undecided"


def verdict_on_epochs(
    gaps: Sequence[int], last: Sequence[bool], near: int = NEAR, reason: str = ""
) -> str:
    """The verdict on an epoch, or on the distance of two, by the majority of the seeds.

    Args:
        gaps: for each seed, how far its epoch is from the paper's, or how far its two are apart.
        last: for each seed, whether such an epoch is the last trained, and may come later still.
        near: the largest distance that counts as none.
        reason: why there can be no verdict; '' where there can.

    Returns:
        What `verdict` says, or 'not reached'.
    """
    if reason:
        return f"not comparable ({reason})"
    votes = Counter(
        "not reached" if late else "reproduced" if abs(gap) <= near else "not reproduced"
        for gap, late in zip(gaps, last, strict=True)
    )
    word, count = votes.most_common(1)[0]
    return word if 2 * count > len(gaps) else "undecided"


def verdict_on_ratios(ratios: Iterable[float]) -> str:
    """The verdict on quantities that are all smaller by the paper, as shares of the other's."""
    shares = list(ratios)
    if any(share > 1 + ABOUT for share in shares):
        return "not reproduced"
    return "reproduced" if all(share < 1 - ABOUT for share in shares) else "undecided"
