"""Table 1, notices and the rule of the verdicts, on made-up runs."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from conftest import html
from fakeface_utils import evaluate, report, trained
from fakeface_utils.claims import claims
from fakeface_utils.data import dataset
from fakeface_utils.evaluate import SIMILAR, difference, not_comparable, table1, verdict
from fakeface_utils.evaluate import verdict_on_differences as differ
from fakeface_utils.evaluate import verdict_on_epochs as epochs
from fakeface_utils.evaluate import verdict_on_ratios as ratios
from fakeface_utils.extension import Extension
from fakeface_utils.figures import figures
from fakeface_utils.models import MODELS, Model
from fakeface_utils.report import as_table
from fakeface_utils.settings import PROFILES, Study
from fakeface_utils.step import STEPS

COUNTS = {"train": 50_000, "valid": 10_000, "test": 10_000}
OTHERS = "other settings: image_size, batch_norm_momentum, epochs, batch_size, learning_rate"
NEAR = [0.969, 0.970, 0.970, 0.970, 0.971]
CUSTOM = (9644, 356, 208, 9792)  # TP, FN, FP, TN of the paper's test set


def study_of(seeds, profile="paper", **settings):
    return Study(**(PROFILES[profile] | {"run": "made-up", "seeds": range(seeds)} | settings))


def prepared(study, counts=COUNTS, **about):
    """Write what is known of the study's images."""
    path = dataset.of(study).path()
    path.parent.mkdir(parents=True, exist_ok=True)
    by_class = {split: {"fake": n, "real": n} for split, n in counts.items()}
    usual = {"generated": False, "unreadable": {}, "left_out": "", "split_by_us": ""}
    path.write_text(json.dumps({"counts": by_class} | usual | about))


def said(monkeypatch, runs):
    """Let the seeds of models have said this: labels and p_fake."""
    each = [(m, s, *run) for m, of_model in runs.items() for s, run in enumerate(of_model)]
    table = pd.concat(
        [pd.DataFrame({"model": m, "seed": s, "label": y, "p_fake": p}) for m, s, y, p in each],
        ignore_index=True,
    )
    monkeypatch.setattr(evaluate, "predictions", lambda study: table.copy())


def counted(*cells):
    """Labels and p_fake with so many TP, FN, FP, TN."""
    return np.repeat([1, 1, 0, 0], cells), np.repeat([0.9, 0.1, 0.9, 0.1], cells)


def right(monkeypatch, counts):
    """Let seeds have so many images right: both models, custom CNN alone, VGG16 alone, none."""
    runs = {}
    for model, kinds in (("custom_cnn", (1, 1, 0, 0)), ("vgg16", (1, 0, 1, 0))):
        wrong = [np.repeat(kinds, numbers) == 0 for numbers in counts]
        labels = [np.arange(len(of_seed)) % 2 for of_seed in wrong]
        runs[model] = [(y, 0.1 + 0.8 * (y ^ w)) for y, w in zip(labels, wrong, strict=True)]
    said(monkeypatch, runs)


def made(monkeypatch, tmp_path, study, reason=""):
    """Table 1 of these runs."""
    monkeypatch.setattr(evaluate, "not_comparable", lambda study: reason)
    table1.work(study, out=tmp_path)
    return pd.read_csv(tmp_path / "table1.csv").set_index(["metric", "model"])


@pytest.mark.parametrize(
    ("judge", "given", "expected"),
    [
        # s = 0.000707, t(4) = 2.7764: half width of the prediction interval 0.00215 at n = 5
        (verdict, (NEAR, 0.9718), "reproduced"),
        (verdict, (NEAR, 0.9722), "not reproduced"),
        (verdict, (NEAR, 0.9678), "not reproduced"),
        (verdict, ([0.97, 0.97, 0.97], 0.97), "reproduced"),
        # The interval is wider than 0.02 to either side: far away or near, nothing is decided.
        (verdict, ([0.90, 0.97, 0.99], 0.9718), "undecided"),
        (verdict, ([0.90, 0.97, 0.99], 0.1), "undecided"),
        # t(1) = 12.706, sqrt(3 / 2): half widths 0.0187 and 0.0209.
        (verdict, ([0.9700, 0.9717], 0.98), "reproduced"),
        (verdict, ([0.9700, 0.9719], 0.98), "undecided"),
        # One seed of five collapsed and is counted.
        (verdict, ([0.5, 0.970, 0.970, 0.970, 0.971], 0.9718), "undecided"),
        (verdict, ([0.97, math.nan, 0.97], 0.97), "undecided"),
        (verdict, ([0.97], 0.97), "undecided"),
        (differ, ([(0.01, 0.05), (0.001, 0.002)],), "reproduced"),
        (differ, ([(0.01, 0.05), (-0.01, 0.02)],), "undecided"),
        (differ, ([(0.01, 0.05), (-0.02, -0.01)],), "not reproduced"),
        (differ, ([(math.nan, math.nan)],), "undecided"),
        (differ, ([],), "undecided"),
        (epochs, ([0, 2, -1], [False] * 3), "reproduced"),
        (epochs, ([2, 5, -1], [False] * 3), "not reproduced"),
        (epochs, ([8, 8, 0], [True, True, False]), "not reached"),
        (epochs, ([8, 0, 2], [True, False, False]), "undecided"),
        (epochs, ([0, 0, 5, 5], [False] * 4), "undecided"),
        (epochs, ([0, 0], [True, True]), "not reached"),
        (epochs, ([2, -2], [False, False], SIMILAR), "reproduced"),
        (epochs, ([3, -3], [False, False], SIMILAR), "not reproduced"),
        (ratios, ([0.1, 0.89],), "reproduced"),
        (ratios, ([0.1, 0.91],), "undecided"),
        (ratios, ([0.1, 1.09],), "undecided"),
        (ratios, ([0.1, 1.11],), "not reproduced"),
        (evaluate.unless, ("", "undecided"), "undecided"),
        (evaluate.unless, ("one seed", "undecided"), "not comparable (one seed)"),
    ],
)
def test_the_rule(judge, given, expected):
    assert judge(*given) == expected


@pytest.mark.parametrize("seeds", [3, 10])
def test_a_run_like_ours_is_reproduced_in_95_of_100_studies(seeds):
    rng = np.random.default_rng(1)  # one more run, the paper's, printed rounded
    shared = rng.binomial(20_000, 0.97, 8_000)[:, None] / 20_000
    studies = shared + rng.normal(0, 0.001, (8_000, seeds + 1))
    verdicts = [verdict(values[:-1], round(values[-1], 4)) for values in studies]
    assert verdicts.count("undecided") < 8
    assert verdicts.count("not reproduced") / len(verdicts) == pytest.approx(0.05, abs=0.008)


@pytest.mark.parametrize(
    ("settings", "valid", "generated", "expected"),
    [
        ({"seeds": 2}, 10_000, False, ""),
        ({"seeds": 1}, 10_000, False, "one seed"),
        ({"seeds": 2}, 10_000, True, "generated data"),
        ({"seeds": 2}, 150, False, "other image counts"),
        ({"seeds": 2, "profile": "demo"}, 10_000, False, OTHERS),
        ({"seeds": 2, "epochs": 14}, 10_000, False, "other settings: epochs"),
        # Where the images lie, and how a GPU adds up, stand in no verdict's way.
        ({"seeds": 2, "data": "/given.zip"}, 10_000, False, ""),
        ({"seeds": 2, "deterministic": True, "gpus": "all"}, 10_000, False, ""),
    ],
)
def test_only_the_papers_counts_and_settings_are_comparable(
    places, settings, valid, generated, expected
):
    study = study_of(**settings)
    prepared(study, COUNTS | {"valid": valid}, generated=generated)
    assert not_comparable(study) == expected


def test_table1_by_hand(monkeypatch, tmp_path):
    right(monkeypatch, [(80, 10, 2, 8), (80, 12, 2, 6), (80, 14, 2, 4)])
    table = made(monkeypatch, tmp_path, study_of(3))
    row = table.loc[("accuracy", "custom_cnn")]  # 0.90, 0.92, 0.94
    assert row[["ours_mean", "ours_sd"]].tolist() == pytest.approx([0.92, 0.02])
    # p = (100 a + 1.920729) / 103.841459 = 0.885202, 0.904463, 0.923723 for the three; the mean of
    # p (1 - p) / 103.841459 is (0.000978615 + 0.000832126 + 0.000678505) / 3 = 0.000829749
    half = (4.302653**2 * 0.02**2 / 3 + 1.959964**2 * 0.000829749) ** 0.5
    assert row[["ci_low", "ci_high"]].tolist() == pytest.approx(
        [0.92 - half, 0.92 + half], abs=1e-5
    )
    half = 4.302653 * 0.02 * (1 + 1 / 3) ** 0.5  # one more run
    ends = row[["predicted_low", "predicted_high"]].tolist()
    assert ends == pytest.approx([0.92 - half, 0.92 + half], abs=1e-6)
    assert row["verdict"] == "undecided"
    assert table.loc[("accuracy", "vgg16"), "verdict"] == "not reproduced"  # 0.82 three times
    assert table["paper"].tolist()[:2] == [0.9718, 0.9789]


def test_one_seed_has_the_images_interval(monkeypatch, tmp_path):
    right(monkeypatch, [(340, 30, 10, 20)])
    row = made(monkeypatch, tmp_path, study_of(1), "one seed").loc[("accuracy", "custom_cnn")]
    half = 1.96 * (0.925 * 0.075 / 400) ** 0.5
    ends = row[["ci_low", "ci_high"]].tolist()
    assert ends == pytest.approx([0.925 - half, 0.925 + half], abs=0.003)
    assert row[["ours_sd", "predicted_low", "predicted_high"]].isna().all()
    assert row["verdict"] == "not comparable (one seed)"
    half = 1.96 * ((0.1 - 0.05**2) / 400) ** 0.5
    found = difference(study_of(1), "custom_cnn", "vgg16")
    assert found == pytest.approx((0.05, 0.05 - half, 0.05 + half), abs=0.003)


def test_a_comparable_run_ends_in_each_verdict_in_its_table_its_page_and_its_text(
    finished, monkeypatch
):
    """From predictions to words: a run with the paper's settings, whose images say they are all."""
    counts = {"custom_cnn": [CUSTOM, (9654, 346, 208, 9792), (9634, 366, 208, 9792)]}
    # Its accuracy varies, and 95 of 100 images that it calls fake are fake.
    counts["vgg16"] = [(tp, 10_000 - tp, tp // 19, 10_000 - tp // 19) for tp in (8740, 9500, 7980)]

    def predict(study, model, seed, out):
        label, p_fake = counted(*counts[model][seed])
        table = pd.DataFrame({"label": label, "p_fake": p_fake})
        table.assign(path=table.index).to_csv(out / "predictions.csv", index=False)
        table[:0].assign(path="").to_csv(out / "validation.csv", index=False)

    def whole(study, out, work=dataset.work):
        work(study, out=out)
        content = json.loads((out / "dataset.json").read_text())
        content["counts"] = {split: {"fake": n, "real": n} for split, n in COUNTS.items()}
        (out / "dataset.json").write_text(json.dumps(content))

    for step, work in ((trained.predict, predict), (dataset, whole)):
        monkeypatch.setitem(step.__dict__, "work", work)
    study = finished("paper", seeds=3, overrides="image_size=224")
    figures(study)
    table = pd.read_csv(study.results / "table1.csv")
    expected = ["reproduced"] * 4 + ["undecided", "not reproduced", "undecided", "undecided"]
    assert table["verdict"].tolist() == expected
    lines = evaluate.printed_table1(study).splitlines()[1:]
    assert [" ".join(line.split()[7:-2]) for line in lines] == expected
    first, whole_table, said = (
        html(shown)
        for shown in (report.opening(study), report.verdicts(study), as_table(claims(study)))
    )
    assert first.p.text == (
        "Of the 8 numbers of the paper's Table 1: 4 reproduced, 3 undecided, 1 not reproduced."
    )
    assert [p.text for p in first.find_all("p", class_="verdict")] == ["reproduced", "undecided"]
    marks = {"reproduced": "✓", "undecided": "?", "not reproduced": "✗"}
    words = [one.rsplit(", ", 1)[-1] for one in first.img["alt"].rstrip(".").split("; ")]
    assert words == [f"{marks[verdict]} {verdict}" for verdict in expected]
    head, *rows = (
        [c.text for c in row.find_all(["th", "td"])] for row in whole_table.find_all("tr")
    )
    assert [row[head.index("verdict")] for row in rows] == expected
    assert "not comparable" not in f"{first}{whole_table}{said}"


def test_the_positive_class_is_the_studys(monkeypatch, tmp_path):
    said(monkeypatch, {model: [counted(40, 10, 5, 45)] for model in MODELS})
    study = study_of(1, positive_class="real")
    table = made(monkeypatch, tmp_path, study)
    assert table.loc[("precision", "vgg16"), "ours_mean"] == pytest.approx(45 / 55)
    fakes = evaluate.by_seed(study, "fake").loc[0, ["tp", "fn", "fp", "tn"]]
    assert fakes.tolist() == [40, 10, 5, 45]


def test_table1_is_made_again_for_what_decides_it_and_nothing_else(monkeypatch):
    decided = table1.settings(study_of(2))
    assert table1.settings(study_of(3)) != decided
    assert table1.settings(study_of(2, epochs=3)) != decided
    monkeypatch.setitem(MODELS, "vgg16", Model("?", ""))
    assert table1.settings(study_of(2)) == decided
    assert "fakeface_utils/paper.py" in table1.of(study_of(2)).depends_on()["code"]  # as printed


def test_the_difference_of_the_models_by_hand(monkeypatch):
    right(monkeypatch, [(80, 10, 2, 8), (80, 12, 2, 6), (80, 14, 2, 4)])
    found = difference(study_of(3), "custom_cnn", "vgg16")
    # Differences 0.08, 0.10, 0.12: t(2)^2 s^2 / n = 4.302653^2 * 0.0004 / 3 = 0.00246838.
    # Variances: 10.5 and 2.5 of 102, 12.5 and 2.5, 14.5 and 2.5: (13 / 102 - (8 / 102)^2) / 102 =
    # 0.00118920, 0.00134748, 0.00149807: mean 0.00134492; times z^2: 0.00516648.
    half = (0.00246838 + 0.00516648) ** 0.5
    assert found == pytest.approx((0.10, 0.10 - half, 0.10 + half), abs=1e-5)
    other = difference(study_of(3), "vgg16", "custom_cnn")
    assert other == pytest.approx((-found.mean, -found.high, -found.low))


def test_a_failed_seed_is_named_counted_and_kept(monkeypatch, tmp_path):
    """One output for all images, one with rounding noise and one that is no number collapse."""
    labels = np.arange(48) % 2
    fine, flat = np.where(labels == 1, 0.9, 0.1), np.full(48, 0.7)
    outputs = {
        "custom_cnn": [fine, flat, flat + 1e-8 * labels, flat * np.nan],
        "vgg16": [fine, fine, 1 - fine, fine],
    }
    said(monkeypatch, {model: [(labels, p) for p in of] for model, of in outputs.items()})
    loss = {"custom_cnn": [0.7] * 4, "vgg16": [0.7, math.nan, 0.7, math.inf]}
    monkeypatch.setattr(
        evaluate,
        "histories",
        lambda study, m: pd.DataFrame({"seed": range(4), "loss": 0.7, "val_loss": loss[m]}),
    )
    assert evaluate.failed_seeds(study_of(4)) == [
        "custom CNN: 3 of 4 seeds collapsed (1, 2, 3), with one output for all test images; "
        "they count in every mean.",
        "VGG16: 2 of 4 seeds diverged (1, 3): the loss was no finite number, and the weights "
        "before that are scored; they count in every mean.",
    ]
    accuracy = made(monkeypatch, tmp_path, study_of(4))["ours_mean"]["accuracy"]
    assert accuracy.tolist() == [(1 + 0.5 + 0.5 + 0.5) / 4, (1 + 1 + 0 + 1) / 4]


def test_notices_of_the_images_the_weights_and_extensions(places, monkeypatch):
    measured = SimpleNamespace(record=lambda: {"settings": {"seeds": [4, 2]}})
    leak = Extension(
        "leak",
        "",
        lambda study: [measured],
        notices=lambda study: [f"Possible leak {study.seeds}."],
    )
    broken = Extension("broken", "", lambda study: 1 / 0)
    monkeypatch.setattr(evaluate, "extensions", lambda: {"leak": leak, "broken": broken})
    prepared(study_of(1))
    assert evaluate.notices(study_of(1)) == ["Possible leak (4, 2)."]  # as it was measured
    study = study_of(1, vgg16_weights="random", data="demo", augment="all")
    unreadable = {"a.jpg": "broken", "b.jpg": "broken"}
    prepared(
        study, generated=True, left_out="x/", split_by_us="without splits", unreadable=unreadable
    )
    words = ["Generated data", "random weights", "without splits", "2 unreadable", "x/"]
    words += ["augment=all is without effect on VGG16:", "leak"]
    for word, sentence in zip(words, evaluate.notices(study), strict=True):
        assert word in sentence


def test_predictions_and_histories_are_read_for_all_models_and_seeds(places):
    import fakeface_utils.training  # noqa: F401  its steps `train` and `predict`

    study = Study(run="made-up", seeds=(3, 0))
    for place, (model, seed) in enumerate((m, s) for m in MODELS for s in study.seeds):
        task = STEPS["predict"].of(study, model, seed)
        task.folder.mkdir(parents=True)
        for name, p_fake in (("predictions.csv", 0.25), ("validation.csv", 0.75)):
            table = pd.DataFrame({"path": ["NA", "001"], "label": [1, 0], "p_fake": p_fake + place})
            table.to_csv(task.path(name), index=False)
        history = pd.DataFrame({"epoch": [1, 2], "loss": place, "val_loss": [0.5, math.nan]})
        history.to_csv(STEPS["train"].of(study, model, seed).path("history.csv"), index=False)
    table = evaluate.predictions(study)
    assert table.columns.tolist() == ["model", "seed", "path", "label", "p_fake"]
    assert table["model"].tolist() == ["custom_cnn"] * 4 + ["vgg16"] * 4
    assert table["seed"].tolist() == [3, 3, 0, 0] * 2
    assert table["path"].tolist() == ["NA", "001"] * 4
    assert table["p_fake"].tolist()[::2] == [0.25, 1.25, 2.25, 3.25]
    assert evaluate.predictions(study, "valid")["p_fake"].iloc[0] == 0.75
    assert evaluate.histories(study, "vgg16")["seed"].tolist() == [3, 3, 0, 0]
    assert evaluate.histories(study, "vgg16")["loss"].tolist() == [2, 2, 3, 3]
