"""Intervals and the rule of the verdicts: by hand, by simulation, on made-up cases."""

import math

import numpy as np
import pytest

from fakeface_utils.evaluation.intervals import (
    interval,
    metric_variances,
    paired_variance,
    prediction_half_width,
    proportion_variance,
)
from fakeface_utils.evaluation.metrics import rates
from fakeface_utils.evaluation.verdicts import (
    SIMILAR,
    verdict,
    verdict_on_differences,
    verdict_on_epochs,
    verdict_on_ratios,
)

ACCURACY = 0.95


def covered(ends, truth):
    """The share of intervals that hold the truth."""
    return np.mean((ends[0] <= truth) & (truth <= ends[1]))


def test_the_interval_by_hand():
    # mean 0.9, s = 0.01, t(2) = 4.302653, z = 1.959964:
    # 4.302653^2 * 0.0001 / 3 = 0.000617094 and 1.959964^2 * 0.00002 = 0.0000768292
    low, high = interval([0.89, 0.90, 0.91], 0.00002)
    assert low == pytest.approx(0.9 - 0.0263424, abs=1e-6)
    assert high == pytest.approx(0.9 + 0.0263424, abs=1e-6)
    # Without the test set's share it is Student's: 4.302653 * 0.01 / sqrt(3)
    assert interval([0.89, 0.90, 0.91])[1] == pytest.approx(0.9 + 0.0248414, abs=1e-6)
    # One seed: the test set's share alone.
    assert interval([0.9], 0.00002)[1] == pytest.approx(0.9 + 1.959964 * 0.00002**0.5, abs=1e-7)


def test_many_studies_at_once_have_the_intervals_of_each():
    studies, variances = np.array([[0.8, 0.9], [0.5, 0.5]]), np.array([0.001, 0.002])
    low, high = interval(studies, variances)
    for row in range(2):
        assert (low[row], high[row]) == interval(studies[row], variances[row])


def test_the_prediction_interval_by_hand():
    # s = 0.01, t(2) = 4.302653: 4.302653 * 0.01 * sqrt(4 / 3)
    assert prediction_half_width([0.89, 0.90, 0.91]) == pytest.approx(0.0496828, abs=1e-6)


def test_the_variance_of_a_share_is_agresti_and_coulls():
    # N = 100, all right: p = (100 + 1.920729) / 103.841459 = 0.981503
    assert proportion_variance(1.0, 100) == pytest.approx(
        0.981503 * 0.018497 / 103.841459, rel=1e-4
    )
    assert proportion_variance(0.5, 10**6) == pytest.approx(0.25 / 10**6, rel=1e-4)


def test_the_variance_of_a_paired_difference_by_hand():
    # 12.5 and 2.5 of 52: (15 / 52 - (10 / 52)^2) / 52
    assert paired_variance(12, 2, 50) == pytest.approx((15 / 52 - (10 / 52) ** 2) / 52)
    assert paired_variance(0, 0, 50) > 0


def test_the_resampled_variances_are_the_binomials():
    found = metric_variances(np.array([[900, 100], [50, 950]]))
    assert found["accuracy"] == pytest.approx(0.925 * 0.075 / 2000, rel=0.05)
    assert found["recall"] == pytest.approx(0.9 * 0.1 / 1000, rel=0.05)
    assert found["precision"] == pytest.approx((900 / 950) * (50 / 950) / 950, rel=0.08)
    assert min(metric_variances(np.array([[30, 0], [0, 30]])).values()) > 0


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("sd", [0.002, 0.01, 0.03])
@pytest.mark.parametrize("images", [400, 2_000, 20_000])
def test_the_interval_covers_what_its_table_says(images, sd, seeds):
    """The test set's chance is drawn once for all seeds of a study, the seeds' for each."""
    rng = np.random.default_rng(0)
    shared = rng.binomial(images, ACCURACY, 10_000) / images
    studies = shared[:, None] + rng.normal(0, sd, (10_000, seeds))
    share = covered(interval(studies, proportion_variance(studies.mean(1), images)), ACCURACY)
    rows = [line.split() for line in interval.__doc__.splitlines()]
    table = {tuple(row[:2]): row[2:] for row in rows if len(row) == 6 and row[0] != "N"}
    stated = float(table[f"{images:,}", f"{sd:.3f}"][[2, 3, 5, 10].index(seeds)])
    assert 100 * share == pytest.approx(stated, abs=0.9)
    assert stated >= 94.5


def test_seeds_alone_do_not_cover():
    rng = np.random.default_rng(0)
    studies = rng.binomial(2_000, ACCURACY, 10_000)[:, None] / 2_000
    studies = studies + rng.normal(0, 0.01, (10_000, 20))
    assert covered(interval(studies), ACCURACY) == pytest.approx(0.61, abs=0.02)


@pytest.mark.parametrize("images", [60, 400, 2_000])
def test_every_metrics_interval_covers_with_one_seed_too(images):
    truth = np.array([0.46, 0.04, 0.02, 0.48])  # TP, FN, FP, TN
    true = rates(*truth * 1e9)
    tests = np.random.default_rng(2).multinomial(images, truth, 400)
    held = dict.fromkeys(true, 0)
    for test in tests:
        variances = metric_variances(test.reshape(2, 2))
        for metric, value in rates(*test).items():
            low, high = interval([value], variances[metric])
            held[metric] += low <= true[metric] <= high
    for metric, count in held.items():
        assert 0.925 <= count / len(tests) <= 1, metric  # more where few images leave cells empty


@pytest.mark.parametrize(("images", "seeds", "sd"), [(60, 1, 0), (400, 3, 0.01), (2_000, 2, 0.01)])
def test_the_interval_of_a_paired_difference_covers(images, seeds, sd):
    rng = np.random.default_rng(3)
    better, worse = rng.multinomial(images, (0.12, 0.04, 0.84), 4_000).T[:2]
    studies = ((better - worse) / images)[:, None] + rng.normal(0, sd, (4_000, seeds))
    assert covered(interval(studies, paired_variance(better, worse, images)), 0.08) >= 0.94


@pytest.mark.parametrize("seeds", [3, 10])
def test_a_run_like_ours_is_reproduced_in_95_of_100_studies(seeds):
    rng = np.random.default_rng(1)  # one more run, the paper's, printed rounded
    shared = rng.binomial(20_000, 0.97, 8_000)[:, None] / 20_000
    studies = shared + rng.normal(0, 0.001, (8_000, seeds + 1))
    verdicts = [verdict(values[:-1], round(values[-1], 4)) for values in studies]
    assert verdicts.count("undecided") < 8
    assert verdicts.count("not reproduced") / len(verdicts) == pytest.approx(0.05, abs=0.008)


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
