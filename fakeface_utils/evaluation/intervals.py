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
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.stats

from .metrics import rates

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
