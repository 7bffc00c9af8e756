"""Metrics and intervals: against published and hand-computed values, and by simulation."""

import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from fakeface_utils.metrics import (
    ANY,
    Known,
    confusion,
    gain,
    interval,
    known,
    metric_variances,
    paired_variance,
    prediction_half_width,
    proportion_variance,
    rates,
    share_of,
)

DOCS = Path(__file__).parents[1] / "docs"
ACCURACY = 0.95
SEEDS = (2, 3, 5, 10)


def predictions(tp, fn, fp, tn):
    """Labels and p_fake that make this confusion matrix."""
    labels = np.repeat([1, 1, 0, 0], [tp, fn, fp, tn])
    return labels, np.repeat([0.9, 0.1, 0.6, 0.2], [tp, fn, fp, tn])


def metrics(*given):
    """The four metrics by name."""
    return rates(*confusion(*given).ravel())


def covered(ends, truth):
    """The share of intervals that hold the truth."""
    return np.mean((ends[0] <= truth) & (truth <= ends[1]))


@pytest.mark.parametrize(
    ("counts", "printed"),
    [
        ((9644, 356, 208, 9792), (0.9718, 0.9789, 0.9644, 0.9716)),  # the paper prints F1 0.9715
        ((8949, 1051, 953, 9047), (0.8998, 0.9038, 0.8949, 0.8993)),
    ],
)
def test_the_papers_confusion_matrices_give_its_table(counts, printed):
    found = metrics(*predictions(*counts))
    assert tuple(round(value, 4) for value in found.values()) == printed
    assert confusion(*predictions(*counts)).tolist() == [list(counts[:2]), list(counts[2:])]


@pytest.mark.parametrize(("positive", "order"), [("fake", [1, 0]), ("real", [0, 1])])
def test_the_metrics_of_either_class_are_scikit_learns(positive, order):
    rng = np.random.default_rng(4)
    labels, p_fake = rng.integers(0, 2, 500), rng.random(500).round(1)  # many at 0.5
    expected = confusion_matrix(labels, p_fake >= 0.5, labels=order)
    assert confusion(labels, p_fake, positive).tolist() == expected.tolist()
    three = precision_recall_fscore_support(labels, p_fake >= 0.5, labels=order[:1])[:3]
    assert list(metrics(labels, p_fake, positive).values())[1:] == pytest.approx(np.ravel(three))


def test_half_is_fake_and_no_positive_call_is_precision_zero():
    assert metrics([1], [0.5])["accuracy"] == 1
    assert metrics([1, 0], [0.1, 0.1])["precision"] == 0


def test_the_two_intervals_by_hand():
    # mean 0.9, s = 0.01, t(2) = 4.302653, z = 1.959964:
    # 4.302653^2 * 0.0001 / 3 = 0.000617094 and 1.959964^2 * 0.00002 = 0.0000768292
    low, high = interval([0.89, 0.90, 0.91], 0.00002)
    assert (low, high) == pytest.approx((0.9 - 0.0263424, 0.9 + 0.0263424), abs=1e-6)
    # Without the test set's share it is Student's: 4.302653 * 0.01 / sqrt(3)
    assert interval([0.89, 0.90, 0.91])[1] == pytest.approx(0.9 + 0.0248414, abs=1e-6)
    # One seed: the test set's share alone.
    assert interval([0.9], 0.00002)[1] == pytest.approx(0.9 + 1.959964 * 0.00002**0.5, abs=1e-7)
    # One more run: 4.302653 * 0.01 * sqrt(4 / 3)
    assert prediction_half_width([0.89, 0.90, 0.91]) == pytest.approx(0.0496828, abs=1e-6)
    assert math.isnan(prediction_half_width([0.9]))


def test_a_number_is_cut_at_its_ends_and_written_with_its_interval():
    assert known([0.6, 0.9], 0.001) == (0.75, 0.0, 1.0)
    assert known([0.6, 0.9], 0.001, ANY)[1:] == interval([0.6, 0.9], 0.001)
    assert f"{Known(0.95501, 0.9239, 0.9861):.3f}" == "0.955 (0.924 to 0.986)"
    assert f"{Known(0.07, -0.065, 0.2):+.3f}" == "+0.070 (-0.065 to +0.200)"
    assert all(map(math.isnan, known([math.nan, 0.9])))


def test_the_variances_by_hand():
    # N = 100, all right: p = (100 + 1.920729) / 103.841459 = 0.981503
    expected = 0.981503 * 0.018497 / 103.841459
    assert proportion_variance(1.0, 100) == pytest.approx(expected, rel=1e-4)
    assert proportion_variance(0.5, 10**6) == pytest.approx(0.25 / 10**6, rel=1e-4)
    # 12.5 and 2.5 of 52: (15 / 52 - (10 / 52)^2) / 52
    assert paired_variance(12, 2, 50) == pytest.approx((15 / 52 - (10 / 52) ** 2) / 52)
    assert paired_variance(0, 0, 50) > 0


def test_the_resampled_variances_are_the_binomials():
    found = metric_variances(np.array([[900, 100], [50, 950]]))
    assert found["accuracy"] == pytest.approx(0.925 * 0.075 / 2000, rel=0.05)
    assert found["recall"] == pytest.approx(0.9 * 0.1 / 1000, rel=0.05)
    assert found["precision"] == pytest.approx((900 / 950) * (50 / 950) / 950, rel=0.08)
    assert min(metric_variances(np.array([[30, 0], [0, 30]])).values()) > 0


def test_shares_and_gains_have_these_intervals():
    one = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], dtype=bool)
    other = np.array([[1, 0, 0, 1], [1, 1, 0, 0]], dtype=bool)
    assert share_of(one) == known([0.75, 0.5], proportion_variance([0.75, 0.5], 4).mean())
    assert gain(one, other) == known([0.25, 0], paired_variance([2, 0], [1, 0], 4).mean(), ANY)


def stated_coverage():
    """The first table of docs/intervals.md: N and sd, and a percentage for each of `SEEDS`."""
    lines = (DOCS / "intervals.md").read_text("utf-8").split("| N | sd | n = 2 |")[1].splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines[2:11]]
    return {(int(row[0].replace(",", "")), float(row[1])): row[2:] for row in rows}


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("sd", [0.002, 0.01, 0.03])
@pytest.mark.parametrize("images", [400, 2_000, 20_000])
def test_the_interval_covers_what_its_table_says(images, sd, seeds):
    """The test set's chance is drawn once for all seeds of a study, the seeds' for each."""
    rng = np.random.default_rng(0)
    shared = rng.binomial(images, ACCURACY, 10_000) / images
    studies = shared[:, None] + rng.normal(0, sd, (10_000, seeds))
    share = covered(interval(studies, proportion_variance(studies.mean(1), images)), ACCURACY)
    stated = float(stated_coverage()[images, sd][SEEDS.index(seeds)])
    assert 100 * share == pytest.approx(stated, abs=0.9)
    assert stated >= 94.5


@pytest.mark.parametrize("images", [60, 400, 2_000])
def test_every_metrics_interval_covers_with_one_seed_too(images):
    truth = np.array([0.46, 0.04, 0.02, 0.48])  # TP, FN, FP, TN
    true = rates(*truth * 1e9)
    tests = np.random.default_rng(2).multinomial(images, truth, 400)
    found = [(rates(*test), metric_variances(test)) for test in tests]
    for metric, value in true.items():  # more where few images leave cells empty
        ends = [known([values[metric]], variances[metric])[1:] for values, variances in found]
        assert 0.925 <= covered(np.transpose(ends), value) <= 1, metric


@pytest.mark.parametrize(("images", "seeds", "sd"), [(60, 1, 0), (400, 3, 0.01), (2_000, 2, 0.01)])
def test_the_interval_of_a_paired_difference_covers(images, seeds, sd):
    rng = np.random.default_rng(3)
    better, worse = rng.multinomial(images, (0.12, 0.04, 0.84), 4_000).T[:2]
    studies = ((better - worse) / images)[:, None] + rng.normal(0, sd, (4_000, seeds))
    assert covered(interval(studies, paired_variance(better, worse, images)), 0.08) >= 0.94
