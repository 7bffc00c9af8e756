"""Whether p(fake) means what it says: temperature, calibration error, thresholds, words."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from fakeface_utils.common.files import write_csv, write_json
from fakeface_utils.evaluation import calibration as module
from fakeface_utils.evaluation.calibration import (
    best_threshold,
    expected_calibration_error,
    expected_of_perfect,
    fit_temperature,
    limits,
    reliability,
    sentence,
    tempered,
    word,
)
from fakeface_utils.study.artefacts import calibration_json, predictions_csv, validation_csv
from fakeface_utils.study.parameters import load_study
from fakeface_utils.study.plan import calibration_step, chain_steps, predict_step


def outputs(count, temperature=1.0, seed=0):
    """Labels, and what a model says whose logits are too large by a factor."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, count)
    labels = (rng.random(count) < expit(logits)).astype(int)
    return labels, expit(logits * temperature)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 4.0])
def test_a_temperature_known_by_construction_is_given_back(temperature):
    labels, p_fake = outputs(20_000, temperature)
    fitted = fit_temperature(labels, p_fake)
    assert fitted == pytest.approx(temperature, rel=0.05)
    after = tempered(p_fake, fitted)
    assert roc_auc_score(labels, after) == pytest.approx(roc_auc_score(labels, p_fake), abs=1e-5)
    np.testing.assert_array_equal(after >= 0.5, p_fake >= 0.5)
    assert tempered(np.array([0.0, 1.0]), 2.0) == pytest.approx([0.000316, 0.999684], abs=1e-6)


def test_the_calibration_error_of_a_known_example():
    # Two bins: 10 outputs of 0.9 of which 5 are fakes, 30 of 0.1 of which 3 are.
    p_fake = np.repeat([0.9, 0.1], [10, 30])
    labels = np.repeat([1, 0, 1, 0], [5, 5, 3, 27])
    assert expected_calibration_error(labels, p_fake) == pytest.approx(0.4 * 10 / 40)
    rows = reliability(labels, p_fake)
    assert rows["count"].tolist() == [30, 10]
    assert rows["fakes"].tolist() == [0.1, 0.5]
    assert (rows["low"] < rows["fakes"]).all()
    twice = reliability(np.tile(labels, 2), np.tile(p_fake, 2), seeds=2)
    assert twice["count"].tolist() == [60, 20]  # two seeds see the same images: no surer
    assert twice[["low", "high"]].equals(rows[["low", "high"]])


def test_a_perfect_model_of_few_images_has_an_error_by_chance():
    few, many = (expected_of_perfect(outputs(count)[1]) for count in (200, 20_000))
    assert 0.05 < few[0] < few[1]
    assert many[1] < 0.02
    within = [
        expected_calibration_error(*outputs(600, seed=seed))
        <= expected_of_perfect(outputs(600, seed=seed)[1])[1]
        for seed in range(40)
    ]
    assert np.mean(within) > 0.85  # 97.5 % of them
    sure = outputs(600, temperature=4)
    assert expected_calibration_error(*sure) > 2 * expected_of_perfect(sure[1])[1]


def test_thresholds_are_where_the_errors_are_five_percent():
    labels = np.repeat([0, 1], 100)
    p_fake = np.concatenate([np.arange(100) / 200, 0.3 + np.arange(100) / 200])
    accused, missed = limits(labels, p_fake)
    assert (p_fake[labels == 0] > accused).mean() == pytest.approx(0.04)
    assert (p_fake[labels == 1] < missed).mean() == pytest.approx(0.04)
    answers = [word(p, accused, missed) for p in (0.1, 0.4, 0.9)]
    assert answers == ["real", "unsure", "fake"]
    assert word(accused, accused, missed) == word(missed, accused, missed) == "unsure"


@pytest.mark.parametrize(("reals", "expected"), [(0.0, 0.5), (0.6, 0.695)])
def test_two_limits_that_cross_become_the_one_nearest_to_half(reals, expected):
    """A network so good that one threshold has both errors below 5 %."""
    labels = np.repeat([0, 1], 101)
    p_fake = np.concatenate([reals + np.linspace(0, 0.1, 101), 0.9 + np.linspace(0, 0.1, 101)])
    accused, missed = limits(labels, p_fake)
    assert accused == missed == pytest.approx(expected)
    assert (p_fake[labels == 0] > accused).mean() <= 0.05
    assert (p_fake[labels == 1] < missed).mean() <= 0.05


def test_the_best_threshold_separates_what_can_be_separated():
    labels = np.array([0, 0, 1, 1])
    assert best_threshold(labels, np.array([0.1, 0.2, 0.3, 0.9])) == pytest.approx(0.25)
    assert best_threshold(labels, np.array([0.6, 0.7, 0.8, 0.9])) == pytest.approx(0.75)
    backwards = best_threshold(labels, np.array([0.9, 0.8, 0.2, 0.1]))
    assert 0 <= backwards <= 1  # of no use, but a number


@pytest.fixture
def study(places, monkeypatch):
    """A study of two seeds whose custom CNN is too sure by 3 and whose VGG16 is right."""
    study = load_study("demo", seeds=2)
    for model, factor in (("custom_cnn", 3.0), ("vgg16", 1.0)):
        for seed in study.seeds:
            for number, path in enumerate((validation_csv, predictions_csv)):
                labels, p_fake = outputs(4000, factor, seed=10 * seed + number)
                table = pd.DataFrame({"path": "x", "label": labels, "p_fake": p_fake})
                write_csv(path(study.run, model, seed), table)
    write_json(calibration_json(study), module._calibration(study))
    monkeypatch.setattr(
        module, "calibration", lambda study: module.read_calibration(study)
    )  # the step itself would ask for a trained run
    return study


def test_the_sentence_is_made_from_the_numbers(study):
    measured = module.calibration(study)
    assert list(measured["custom_cnn"]) == ["0", "1"]
    temperatures = [seed["temperature"] for seed in measured["custom_cnn"].values()]
    assert temperatures == pytest.approx([3, 3], rel=0.15)
    custom, vgg16 = (sentence(model, measured[model]) for model in ("custom_cnn", "vgg16"))
    assert "as it comes is not to be taken at its word" in custom
    assert "it is too sure" in custom
    assert "within what chance allows" in custom
    assert "as it comes can be believed" in vgg16
    table = module.calibration_table(study).set_index(["model", "temperature"])
    assert table.loc["custom_cnn", "ece"].iloc[0] > 5 * table.loc["custom_cnn", "ece"].iloc[1]


def test_the_test_set_decides_no_threshold_and_no_temperature(study):
    before = module.calibration(study)["custom_cnn"]["0"]
    labels, p_fake = outputs(4000, 0.2, seed=99)
    table = pd.DataFrame({"path": "x", "label": 1 - labels, "p_fake": p_fake})
    write_csv(predictions_csv(study.run, "custom_cnn", 0), table)
    after = module._calibration(study)["custom_cnn"]["0"]
    fitted = ("temperature", "threshold", "accused", "missed")
    assert [after[name] for name in fitted] == [before[name] for name in fitted]
    assert after["before"] != before["before"]


def test_it_is_measured_in_notebook_04_from_both_splits_of_every_network():
    study = load_study("demo", seeds=2)
    step = calibration_step(study)
    assert step.marker in {one.marker for one in chain_steps(study)["04_evaluate"]}
    predicted = [one for one in step.after if one.kind == "predict"]
    assert len(predicted) == 4
    for one in predicted:
        assert {path.name for path in one.outputs} == {"predictions.csv", "validation.csv"}
    needed = {one.name for one in predict_step(study, "vgg16", 0).before()}
    assert {"VGG16 features of valid", "VGG16 features of test"} <= needed
