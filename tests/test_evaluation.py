"""Table 1's numbers and the comparison of both models against known and hand-computed values."""

import numpy as np
import pandas as pd
import pytest

from fakeface_utils.evaluation import caveats
from fakeface_utils.evaluation import table1 as evaluation
from fakeface_utils.evaluation.caveats import failed_seeds
from fakeface_utils.evaluation.metrics import confusion, metrics
from fakeface_utils.evaluation.table1 import claim_better, seed_by_seed
from fakeface_utils.study.artefacts import seed_dir
from fakeface_utils.study.parameters import load_study


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
    assert confusion(labels, p_fake, "real").tolist() == [[45, 5], [10, 40]]


def test_half_is_fake_and_no_positive_call_is_precision_zero():
    assert metrics([1], [0.5])["accuracy"] == 1
    assert metrics([1, 0], [0.1, 0.1])["precision"] == 0


@pytest.mark.parametrize(
    ("profile", "counts", "generated", "seeds", "expected"),
    [
        ("paper", (50_000, 10_000, 10_000), False, 2, ""),
        ("paper", (50_000, 10_000, 10_000), False, 1, "one seed"),
        ("paper", (50_000, 10_000, 10_000), True, 2, "generated data"),
        ("paper", (600, 150, 200), False, 2, "other image counts"),
        ("demo", (50_000, 10_000, 10_000), False, 2, "other settings: image_size, "),
    ],
)
def test_only_the_papers_counts_and_settings_are_comparable(
    monkeypatch, profile, counts, generated, seeds, expected
):
    splits = zip(("train", "valid", "test"), counts, strict=True)
    dataset = {
        "generated": generated,
        "counts": {split: {"real": n, "fake": n} for split, n in splits},
    }
    monkeypatch.setattr(caveats, "read_dataset", lambda study: dataset)
    found = caveats.not_comparable(load_study(profile, seeds=seeds))
    assert found.startswith(expected) if expected else found == ""
    # Bit-identical training on a GPU stands in no verdict's way.
    if not expected:
        exact = load_study(profile, seeds=seeds, overrides="deterministic=true")
        assert caveats.not_comparable(exact) == ""


def write_predictions(study, model, seed, right):
    """Predictions of a test set, half fake, that are right where told."""
    labels = np.arange(len(right)) % 2
    p_fake = np.where(right, labels, 1 - labels) * 0.8 + 0.1
    folder = seed_dir(study.run, model, seed)
    folder.mkdir(parents=True)
    table = pd.DataFrame({"path": [f"{n}.jpg" for n in range(len(right))], "label": labels})
    table.assign(p_fake=p_fake).to_csv(folder / "predictions.csv", index=False)


def study_of(monkeypatch, counts, reason=""):
    """A study whose seeds have these numbers of images right: both, custom CNN, VGG16, neither."""
    monkeypatch.setattr(evaluation, "not_comparable", lambda study: reason)
    monkeypatch.setattr(evaluation, "read_audit", lambda study: {"leaked": []})
    study = load_study(run="made-up", seeds=len(counts))
    for seed, numbers in enumerate(counts):
        write_predictions(study, "custom_cnn", seed, np.repeat([1, 1, 0, 0], numbers))
        write_predictions(study, "vgg16", seed, np.repeat([1, 0, 1, 0], numbers))
    return study


def test_mcnemar_by_hand_and_as_published(places, monkeypatch):
    # Growth of tubercle bacilli on two media (Armitage and Berry 1994, p. 127): 12 against 2 of 50
    # specimens, exact P = 0.0129. By hand: 2 * (1 + 14 + 91) / 2**14, and 2 * (1 + 10) / 2**10.
    counts = [(20, 12, 2, 16), (20, 2, 12, 16), (5, 9, 1, 5), (5, 3, 3, 5)]
    table = seed_by_seed(study_of(monkeypatch, counts))
    assert table["seed"].tolist() == [0, 1, 2, 3]
    assert [tuple(row) for row in table[evaluation.RIGHT].to_numpy()] == counts
    expected = [212 / 2**14, 212 / 2**14, 22 / 2**10, 1]
    assert table["p_value"].tolist() == pytest.approx(expected, rel=1e-9)
    assert round(expected[0], 4) == 0.0129


def test_the_difference_of_the_models_by_hand(places, monkeypatch):
    study = study_of(monkeypatch, [(80, 10, 2, 8), (80, 12, 2, 6), (80, 14, 2, 4)])
    found = claim_better(study)
    # Differences 0.08, 0.10, 0.12: t(2)^2 s^2 / n = 4.302653^2 * 0.0004 / 3 = 0.00246838.
    # Variances: 10.5 and 2.5 of 102, 12.5 and 2.5, 14.5 and 2.5: (13 / 102 - (8 / 102)^2) / 102 =
    # 0.00118920, 0.00134748, 0.00149807: mean 0.00134492; times z^2: 0.00516648.
    half = (0.00246838 + 0.00516648) ** 0.5
    assert found["difference"] == pytest.approx(0.10)
    assert found["high"] - 0.10 == pytest.approx(half, abs=1e-5)
    assert 0.10 - found["low"] == pytest.approx(half, abs=1e-5)
    assert found["verdict"] == "reproduced"


def test_one_seeds_difference_has_the_images_interval(places, monkeypatch):
    found = claim_better(study_of(monkeypatch, [(340, 30, 10, 20)], reason="one seed"))
    half = 1.96 * ((0.1 - 0.05**2) / 400) ** 0.5
    assert found["difference"] == pytest.approx(0.05)
    assert found["low"] == pytest.approx(0.05 - half, abs=0.003)
    assert found["high"] == pytest.approx(0.05 + half, abs=0.003)
    assert found["verdict"] == "not comparable (one seed)"


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([(700, 200, 10, 90), (700, 210, 10, 80), (700, 190, 10, 100)], "reproduced"),
        ([(700, 10, 200, 90), (700, 10, 210, 80), (700, 10, 190, 100)], "not reproduced"),
        ([(700, 10, 10, 280), (700, 12, 10, 278), (700, 10, 12, 278)], "undecided"),
        # A collapsed custom CNN (half right) is one seed of three.
        ([(700, 200, 10, 90), (700, 210, 10, 80), (400, 100, 400, 100)], "undecided"),
    ],
)
def test_the_claim_that_the_custom_cnn_is_better(places, monkeypatch, counts, expected):
    assert claim_better(study_of(monkeypatch, counts))["verdict"] == expected


def test_table1_by_hand(places, monkeypatch):
    study = study_of(monkeypatch, [(80, 10, 2, 8), (80, 12, 2, 6), (80, 14, 2, 4)])
    table = evaluation._table1(study).set_index(["metric", "model"])
    row = table.loc["accuracy", "custom_cnn"]  # 0.90, 0.92, 0.94
    assert row["ours_mean"] == pytest.approx(0.92)
    assert row["ours_sd"] == pytest.approx(0.02)
    # p = (100 a + 1.920729) / 103.841459 = 0.885202, 0.904463, 0.923723 for the three; the mean of
    # p (1 - p) / 103.841459 is (0.000978615 + 0.000832126 + 0.000678505) / 3 = 0.000829749
    half = (4.302653**2 * 0.02**2 / 3 + 1.959964**2 * 0.000829749) ** 0.5
    assert row["ci_low"] == pytest.approx(0.92 - half, abs=1e-5)
    assert row["ci_high"] == pytest.approx(0.92 + half, abs=1e-5)
    half = 4.302653 * 0.02 * (1 + 1 / 3) ** 0.5  # one more run
    assert row["predicted_low"] == pytest.approx(0.92 - half, abs=1e-6)
    assert row["predicted_high"] == pytest.approx(0.92 + half, abs=1e-6)
    recall = table.loc["recall", "custom_cnn"]  # of 50 fakes 45, 46, 47
    assert recall["ours_mean"] == pytest.approx(0.92)
    p = (46 + 1.920729) / (50 + 3.841459)  # of the mean of the three, nearly
    variance = p * (1 - p) / (50 + 3.841459)
    half = (4.302653**2 * 0.02**2 / 3 + 1.959964**2 * variance) ** 0.5
    assert recall["ci_low"] == pytest.approx(0.92 - half, abs=0.004)
    assert row["verdict"] == "undecided"
    assert table.loc[("accuracy", "vgg16"), "verdict"] == "not reproduced"  # 0.82 three times
    assert table["paper"].tolist()[:2] == [0.9718, 0.9789]


def test_one_seeds_table1_has_the_images_interval(places, monkeypatch):
    study = study_of(monkeypatch, [(340, 30, 10, 20)], reason="one seed")
    row = evaluation._table1(study).set_index(["metric", "model"]).loc["accuracy", "custom_cnn"]
    half = 1.96 * (0.925 * 0.075 / 400) ** 0.5
    assert row["ci_low"] == pytest.approx(0.925 - half, abs=0.003)
    assert row["ci_high"] == pytest.approx(0.925 + half, abs=0.003)
    assert row[["ours_sd", "predicted_low", "predicted_high"]].isna().all()
    assert row["verdict"] == "not comparable (one seed)"


def test_a_collapsed_seed_is_named_counted_and_kept(places, monkeypatch):
    """One output for all images, one with rounding noise and one that is no number collapse."""
    study = study_of(monkeypatch, [(24, 0, 0, 24)] * 4)
    labels = np.arange(48) % 2
    right, constant = np.where(labels == 1, 0.9, 0.1), np.full(48, 0.7)
    outputs = {
        "custom_cnn": [right, constant, constant + 1e-8 * labels, constant * np.nan],
        "vgg16": [right, right, 1 - right, right],
    }
    for model, seeds in outputs.items():
        for seed, p_fake in enumerate(seeds):
            path = seed_dir(study.run, model, seed) / "predictions.csv"
            table = pd.DataFrame({"path": map(str, labels), "label": labels, "p_fake": p_fake})
            table.to_csv(path, index=False)
            history = pd.DataFrame({"epoch": [1], "loss": [0.7], "val_loss": [0.7]})
            history.to_csv(path.with_name("history.csv"), index=False)
    assert failed_seeds(study) == [
        "custom CNN: 3 of 4 seeds collapsed (1, 2, 3), with one output for all test images; "
        "they count in every mean."
    ]
    accuracy = evaluation._table1(study).set_index(["model", "metric"])["ours_mean"]
    assert accuracy["custom_cnn", "accuracy"] == (1 + 0.5 + 0.5 + 0.5) / 4
    assert accuracy["vgg16", "accuracy"] == (1 + 1 + 0 + 1) / 4
