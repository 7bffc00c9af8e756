"""Whether one run does better than another: differences of Table 1 and their intervals."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..common.errors import StudyError
from ..study.artefacts import (
    read_dataset,
    read_manifest,
    read_predictions,
)
from ..study.names import METRICS, MODELS
from ..study.settings import Study
from .intervals import Z, interval, metric_variances
from .metrics import confusion, rates

RESAMPLES = 2_000
AT_ONCE = 100  # resamples whose counts are held at a time: 16 MB for the paper's test set

Bools = npt.NDArray[np.bool_]


def same_test_images(first: Study, second: Study) -> bool:
    """Whether both runs were tested on the same images, whatever size they were prepared at."""
    tested = [
        read_predictions(study, MODELS[0], study.seeds[0])[["path", "label"]].sort_values(
            "path", ignore_index=True
        )
        for study in (first, second)
    ]
    if not tested[0].equals(tested[1]):
        return False
    if read_dataset(first)["fingerprint"] == read_dataset(second)["fingerprint"]:
        return True
    hashes = [
        read_manifest(study, "test").sort_values("path")["sha256"].tolist()
        for study in (first, second)
    ]
    return hashes[0] == hashes[1]


def outputs_of(study: Study, model: str, positive: str) -> tuple[Bools, Bools]:
    """Whether each test image is of the positive class (N,), and is called so by each seed (n, N).

    In the order of the paths.
    """
    tables = [
        read_predictions(study, model, seed).sort_values("path", ignore_index=True)
        for seed in study.seeds
    ]
    names = ["path", "label"]
    if not all(table[names].equals(tables[0][names]) for table in tables):
        raise StudyError(
            f"the seeds of run '{study.run}' were tested on different images: run fakeface report "
            f"--run {study.run}"
        )
    fake = np.array([table["p_fake"] >= 0.5 for table in tables])
    truth = tables[0]["label"].to_numpy() == 1
    return (truth, fake) if positive == "fake" else (~truth, ~fake)


def scores(truth: Bools, called: Bools) -> pd.DataFrame:
    """Each metric of each seed, a row a seed."""
    return pd.DataFrame([rates(*confusion(truth, one).ravel()) for one in called])


def variances(truth: Bools, called: Bools) -> pd.Series:
    """The variance of each metric over test sets of this size, the mean over seeds."""
    return pd.DataFrame([metric_variances(confusion(truth, one)) for one in called]).mean()


def differences(
    first: tuple[Bools, Bools], second: tuple[Bools, Bools], paired: bool
) -> dict[str, tuple[float, float, float]]:
    """By metric, the second run's mean minus the first's, and its interval's ends."""
    if paired:
        of_images = pd.Series(paired_variances(first[0], first[1], second[1]))
    else:
        of_images = variances(*first) + variances(*second)
    values, others = scores(*first), scores(*second)
    return {m: difference(values[m], others[m], of_images[m]) for m in METRICS}


def difference(
    first: Sequence[float], second: Sequence[float], variance: float
) -> tuple[float, float, float]:
    """The second mean minus the first and its 95 % interval, cut at -1 and 1.

    m +- sqrt(t1^2 s1^2 / n1 + t2^2 s2^2 / n2 + z^2 v): the seeds of two runs are independent
    samples, whatever their numbers, and v is the variance from the choice of test images: of
    `paired_variances` where both runs were tested on the same ones, else the sum of both runs' own.
    A run with one seed adds no part: the interval leaves out how its training runs differ.

    Percentage of 400 simulated comparisons whose interval contains the true difference of
    accuracies, 0.03 (of F1 it is the same to 1 %). Two runs with n1 and n2 seeds of standard
    deviation sd; N test images that are more or less hard for all networks, the same ones for both
    runs, or other ones:

             N     sd   n1   n2   same  other
            60  0       1    1    96.2   96.8
           400  0       1    1    95.8   93.2
         2,000  0       1    1    95.5   95.8
           400  0.01    2    2   100.0  100.0
           400  0.01    3    3    99.5   99.5
           400  0.01    5    5    99.5  100.0
           400  0.03    3    5    98.8   99.5
         2,000  0.01    3    5    97.5  100.0
         2,000  0.03    5    5     97.2   98.8

    Several seeds make it too wide rather than too narrow: each run has its own t, and where seeds
    err on different images that is part of both s and v.

    Args:
        first, second: (n1,) and (n2,), a metric of each seed of two runs.
        variance: v.
    """
    means = [float(np.mean(values)) for values in (first, second)]
    of_seeds = [interval(v)[1] - mean for v, mean in zip((first, second), means, strict=True)]
    half = float(np.sqrt(np.sum(np.square(of_seeds)) + Z**2 * variance))
    apart = means[1] - means[0]
    return apart, max(apart - half, -1.0), min(apart + half, 1.0)


def paired_variances(truth: Bools, first: Bools, second: Bools) -> dict[str, float]:
    """The variance of each metric's difference over test sets of this size, never 0.

    Images are drawn with replacement, the same for all networks, and each run's metric is the mean
    over its seeds. As Agresti and Min (2005) add half an image to each of the four kinds that two
    networks can make of one, here each class gets them: without, runs that agree on every image
    would be known to be equal.

    Args:
        truth: (N,) of the positive class.
        first, second: (n1, N) and (n2, N), called so by the networks of two runs.
    """
    images, answers = len(truth), np.array([[0, 0, 1, 1] * 2, [0, 1, 0, 1] * 2], dtype=bool)
    truth = np.concatenate([truth, np.repeat([False, True], 4)])
    cells = []
    for called, made_up in zip((first, second), answers, strict=True):
        every = np.hstack([called, np.tile(made_up, (len(called), 1))])
        kinds = (truth & every, truth & ~every, ~truth & every, ~truth & ~every)
        cells.append(np.array(kinds, dtype=float))  # TP, FN, FP, TN: (4, n, N + 8)
    # An image stands twice in the list that is drawn from, a made-up one once: it counts half.
    places = np.concatenate([np.repeat(np.arange(images), 2), images + np.arange(8)])
    random, draws = np.random.default_rng(0), []
    for _ in range(RESAMPLES // AT_ONCE):
        drawn = places[random.integers(len(places), size=(AT_ONCE, images + 4))]
        counts = np.array([np.bincount(one, minlength=images + 8) for one in drawn], dtype=float)
        means = [
            {name: value.mean(axis=0) for name, value in rates(*(kinds @ counts.T)).items()}
            for kinds in cells
        ]
        draws.append(pd.DataFrame(means[1]) - pd.DataFrame(means[0]))
    return {str(name): float(value) for name, value in pd.concat(draws).var(ddof=0).items()}
