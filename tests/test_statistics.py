"""Intervals and the rule of the verdicts: by hand, by simulation, on made-up cases."""

import math

import numpy as np
import pytest

from fakeface_utils.evaluation.intervals import bootstrap, interval, prediction_half_width
from fakeface_utils.evaluation.metrics import rates
from fakeface_utils.evaluation.verdicts import (
    SIMILAR,
    verdict,
    verdict_on_differences,
    verdict_on_epochs,
    verdict_on_ratios,
)

IMAGES, MEAN = 20_000, 0.97


def accuracies(studies, seeds, sd, same_images_fail=True):
    """(studies, seeds) test accuracies; in each study all seeds share one test set.

    A seed's ability is normal about 0.97. The images that a seed gets wrong are the hardest ones,
    the same for all seeds; or they are its own, so that the test set's chance averages out.
    """
    rng = np.random.default_rng(1)
    ability = np.minimum(rng.normal(MEAN, sd, (studies, seeds)), 1)
    if not same_images_fail:
        return rng.binomial(IMAGES, ability) / IMAGES
    ability = -np.sort(-ability, axis=1)
    right = [rng.binomial(IMAGES, ability[:, 0])]
    for better, worse in zip(ability.T[:-1], ability.T[1:], strict=True):
        right.append(rng.binomial(right[-1], worse / better))
    return rng.permuted(np.stack(right, axis=1) / IMAGES, axis=1)


def coverage(studies, variance):
    ends = [interval(values, variance(values.mean())) for values in studies]
    return np.mean([low <= MEAN <= high for low, high in ends])


def binomial(mean):
    return mean * (1 - mean) / IMAGES


def test_the_interval_by_hand():
    # mean 0.9, s = 0.01, t(2) = 4.302653: half width 4.302653 * sqrt(0.0001 / 3 + 0.00002)
    low, high = interval([0.89, 0.90, 0.91], 0.00002)
    assert low == pytest.approx(0.9 - 0.0314221, abs=1e-6)
    assert high == pytest.approx(0.9 + 0.0314221, abs=1e-6)
    # Without the test set's share it is Student's: 4.302653 * 0.01 / sqrt(3)
    assert interval([0.89, 0.90, 0.91])[1] == pytest.approx(0.9 + 0.0248414, abs=1e-6)


def test_the_prediction_interval_by_hand():
    # s = 0.01, t(2) = 4.302653: 4.302653 * 0.01 * sqrt(4 / 3)
    assert prediction_half_width([0.89, 0.90, 0.91]) == pytest.approx(0.0496828, abs=1e-6)


def test_the_interval_covers_and_seeds_alone_do_not():
    studies = accuracies(2000, seeds=20, sd=0.006)
    assert 0.94 <= coverage(studies, binomial) <= 0.98
    assert 0.83 <= coverage(studies, lambda mean: 0.0) <= 0.90


@pytest.mark.parametrize(("seeds", "sd"), [(2, 0.003), (3, 0.01), (5, 0.01)])
@pytest.mark.parametrize("same_images_fail", [True, False])
def test_the_interval_of_few_seeds_covers_no_less(seeds, sd, same_images_fail):
    assert coverage(accuracies(1000, seeds, sd, same_images_fail), binomial) >= 0.94


@pytest.mark.parametrize("seeds", [3, 10])
def test_a_run_like_ours_is_reproduced_in_95_of_100_studies(seeds):
    studies = accuracies(8000, seeds + 1, sd=0.001)  # one more run, the paper's, printed rounded
    said = [verdict(values[:-1], round(values[-1], 4)) for values in studies]
    assert said.count("undecided") < 8
    assert said.count("not reproduced") / len(said) == pytest.approx(0.05, abs=0.008)


def test_the_bootstraps_interval_covers():
    truth = np.array([0.46, 0.04, 0.02, 0.48])  # TP, FN, FP, TN
    true = rates(*truth * 1e9)
    tests = np.random.default_rng(2).multinomial(2000, truth, 500)
    covered = dict.fromkeys(true, 0)
    for test in tests:
        for metric, drawn in bootstrap(test.reshape(2, 2)).items():
            low, high = np.quantile(drawn, [0.025, 0.975])
            covered[metric] += low <= true[metric] <= high
    for metric, count in covered.items():
        assert 0.92 <= count / len(tests) <= 0.98, metric


def test_the_bootstrap_has_the_binomial_variance():
    drawn = bootstrap(np.array([[900, 100], [50, 950]]))
    assert drawn["accuracy"].mean() == pytest.approx(0.925, abs=0.001)
    assert drawn["accuracy"].var() == pytest.approx(0.925 * 0.075 / 2000, rel=0.05)
    assert drawn["recall"].var() == pytest.approx(0.9 * 0.1 / 1000, rel=0.05)


@pytest.mark.parametrize(
    ("values", "paper", "reason", "expected"),
    [
        # s = 0.000707, t(4) = 2.7764: half width of the prediction interval 0.00215 at n = 5
        ([0.969, 0.970, 0.970, 0.970, 0.971], 0.9718, "", "reproduced"),
        ([0.969, 0.970, 0.970, 0.970, 0.971], 0.9722, "", "not reproduced"),
        ([0.969, 0.970, 0.970, 0.970, 0.971], 0.9678, "", "not reproduced"),
        ([0.979, 0.980, 0.980, 0.980, 0.981], 0.9718, "", "not reproduced"),
        ([0.97, 0.97, 0.97], 0.97, "", "reproduced"),
        # The interval is wider than 0.02 to either side: far away or near, nothing is decided.
        ([0.90, 0.97, 0.99], 0.9718, "", "undecided"),
        ([0.90, 0.97, 0.99], 0.1, "", "undecided"),
        # t(1) = 12.706, sqrt(3 / 2): half widths 0.0187 and 0.0209.
        ([0.9700, 0.9717], 0.98, "", "reproduced"),
        ([0.9700, 0.9719], 0.98, "", "undecided"),
        # One seed of five collapsed and is counted.
        ([0.5, 0.970, 0.970, 0.970, 0.971], 0.9718, "", "undecided"),
        ([0.97, math.nan, 0.97], 0.97, "", "undecided"),
        ([0.97], 0.97, "one seed", "not comparable (one seed)"),
        ([0.97, 0.97, 0.97], 0.97, "generated data", "not comparable (generated data)"),
    ],
)
def test_the_verdict_on_a_printed_value(values, paper, reason, expected):
    assert verdict(values, paper, reason) == expected


@pytest.mark.parametrize(
    ("intervals", "reason", "expected"),
    [
        ([(0.01, 0.05)], "", "reproduced"),
        ([(-0.01, 0.05)], "", "undecided"),
        ([(-0.05, -0.01)], "", "not reproduced"),
        ([(0.01, 0.05), (0.001, 0.002)], "", "reproduced"),
        ([(0.01, 0.05), (-0.01, 0.02)], "", "undecided"),
        ([(0.01, 0.05), (-0.02, -0.01)], "", "not reproduced"),
        ([(math.nan, math.nan)], "", "undecided"),
        ([], "", "undecided"),
        ([(0.01, 0.05)], "one seed", "not comparable (one seed)"),
    ],
)
def test_the_verdict_on_differences(intervals, reason, expected):
    assert verdict_on_differences(intervals, reason) == expected


@pytest.mark.parametrize(
    ("gaps", "last", "near", "reason", "expected"),
    [
        ([0, 1, -1], [False] * 3, 1, "", "reproduced"),
        ([0, 2, -1], [False] * 3, 1, "", "reproduced"),
        ([2, 5, -1], [False] * 3, 1, "", "not reproduced"),
        ([8, 8, 0], [True, True, False], 1, "", "not reached"),
        ([8, 0, 2], [True, False, False], 1, "", "undecided"),
        ([0, 5], [False, False], 1, "", "undecided"),
        ([0, 0, 5, 5], [False] * 4, 1, "", "undecided"),
        ([0, 0], [True, True], 1, "", "not reached"),
        ([2, -2], [False, False], SIMILAR, "", "reproduced"),
        ([3, -3], [False, False], SIMILAR, "", "not reproduced"),
        ([0, 0], [False, False], 1, "other image counts", "not comparable (other image counts)"),
    ],
)
def test_the_verdict_on_epochs_is_the_seeds_majority(gaps, last, near, reason, expected):
    assert verdict_on_epochs(gaps, last, near, reason) == expected


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ([0.1, 0.89], "reproduced"),
        ([0.1, 0.94], "undecided"),
        ([0.1, 1.09], "undecided"),
        ([0.1, 1.11], "not reproduced"),
    ],
)
def test_the_verdict_on_sizes_and_costs(ratios, expected):
    assert verdict_on_ratios(ratios) == expected
