"""Table 1's numbers, intervals and verdicts against known and hand-computed values."""

import numpy as np
import pytest

from fakeface_utils import evaluation
from fakeface_utils.evaluation import bootstrap, confusion, interval, metrics, verdict


def predictions(tp, fn, fp, tn):
    """Labels and p_fake that make this confusion matrix."""
    labels = np.repeat([1, 1, 0, 0], [tp, fn, fp, tn])
    return labels, np.repeat([0.9, 0.1, 0.6, 0.2], [tp, fn, fp, tn])


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


def test_real_as_the_positive_class_swaps_the_classes():
    labels, p_fake = predictions(40, 10, 5, 45)
    found = metrics(labels, p_fake, "real")
    assert found["precision"] == pytest.approx(45 / 55)
    assert found["recall"] == pytest.approx(45 / 50)
    assert bootstrap(labels, p_fake, "real")["recall"].mean() == pytest.approx(0.9, abs=0.005)


def test_half_is_fake_and_no_positive_call_is_precision_zero():
    assert metrics([1], [0.5])["accuracy"] == 1
    assert metrics([1, 0], [0.1, 0.1])["precision"] == 0


def test_the_bootstrap_has_the_binomial_variance():
    drawn = bootstrap(*predictions(900, 100, 50, 950))
    assert drawn["accuracy"].mean() == pytest.approx(0.925, abs=0.001)
    assert drawn["accuracy"].var() == pytest.approx(0.925 * 0.075 / 2000, rel=0.05)
    resampled_recall = drawn["recall"].var()
    assert resampled_recall == pytest.approx(0.9 * 0.1 / 1000, rel=0.05)


def test_the_interval_by_hand():
    # mean 0.9, s = 0.01, t(2) = 4.302653: half width 4.302653 * sqrt(0.0001 / 3 + 0.00002)
    low, high = interval([0.89, 0.90, 0.91], 0.00002)
    assert low == pytest.approx(0.9 - 0.0314221, abs=1e-6)
    assert high == pytest.approx(0.9 + 0.0314221, abs=1e-6)


@pytest.mark.parametrize(
    ("values", "paper", "reason", "expected"),
    [
        # s = 0.001, t(4) = 2.7764: half width of the prediction interval 0.00304 at n = 5
        ([0.969, 0.970, 0.970, 0.970, 0.971], 0.9718, "", "reproduced"),
        ([0.959, 0.960, 0.960, 0.960, 0.961], 0.9718, "", "not reproduced"),
        ([0.979, 0.980, 0.980, 0.980, 0.981], 0.9718, "", "not reproduced"),
        ([0.90, 0.97, 0.99], 0.9718, "", "undecided"),
        ([0.9718], 0.9718, "", "not comparable (one seed)"),
        ([0.97, 0.97, 0.97], 0.97, "generated data", "not comparable (generated data)"),
    ],
)
def test_the_verdict_rule(values, paper, reason, expected):
    assert verdict(values, paper, reason) == expected


@pytest.mark.parametrize(
    ("profile", "counts", "generated", "expected"),
    [
        ("paper", (50_000, 10_000, 10_000), False, ""),
        ("paper", (50_000, 10_000, 10_000), True, "generated data"),
        ("paper", (600, 150, 200), False, "other image counts"),
        ("demo", (50_000, 10_000, 10_000), False, "other settings: image_size"),
    ],
)
def test_only_the_papers_counts_and_settings_are_comparable(
    monkeypatch, profile, counts, generated, expected
):
    from fakeface_utils.study import load_study

    splits = zip(("train", "valid", "test"), counts, strict=True)
    dataset = {
        "generated": generated,
        "counts": {split: {"real": n, "fake": n} for split, n in splits},
    }
    monkeypatch.setattr(evaluation, "read_dataset", lambda study: dataset)
    assert evaluation.not_comparable(load_study(profile)).startswith(expected)
    if not expected:
        for overrides in ("", "deterministic=true"):
            assert evaluation.not_comparable(load_study(profile, overrides=overrides)) == ""
