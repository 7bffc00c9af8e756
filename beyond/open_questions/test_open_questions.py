"""Every other reading: which are measured, what is trained for it, and by how much it moves."""

import math

import numpy as np
import pandas as pd
import pytest

from beyond.open_questions import measure
from beyond.open_questions.measure import kept_epoch, mean_difference, readings
from conftest import done
from fakeface_utils import trained
from fakeface_utils.extension import extensions
from fakeface_utils.models import MODELS, titled
from fakeface_utils.run import load_study
from fakeface_utils.settings import Study, as_typed, open_questions, register
from fakeface_utils.util import StudyError

FROZEN = [model for model, about in MODELS.items() if about.frozen_base]


@pytest.mark.parametrize("profile", ["paper", "demo"])
def test_each_reading_changes_one_setting_to_another_valid_value(profile):
    study = load_study(profile)
    for name, reading in readings(study).items():
        theirs, ours = reading.study.deciding(), study.deciding()
        assert [name for name in ours if theirs[name] != ours[name]] == [reading.setting]
        valid = getattr(Study(**{reading.setting: reading.value}), reading.setting)
        assert as_typed(valid) == reading.value
        assert reading.study.run in (study.run, f"{study.run}/open_questions/{name}")


def test_readings_are_those_the_study_does_not_take():
    def momenta(study):
        return [r.value for r in readings(study).values() if r.setting == "batch_norm_momentum"]

    assert momenta(load_study("paper")) == ["0.9"]
    assert momenta(load_study("demo", overrides="batch_norm_momentum=0.9")) == ["0.99"]
    assert momenta(load_study("demo", overrides="batch_norm_momentum=0.5")) == ["0.99", "0.9"]


def test_a_question_trains_the_models_it_concerns_and_no_other():
    study = load_study("paper", seeds=2)
    concerned: dict[str, set[str]] = {}
    for task in measure.trained_readings(study):
        name, model, seed = task.args
        concerned.setdefault(name.partition("=")[0], set()).add(model)
        assert seed in (0, 1)
    found = {name: set(about["models"]) for name, about in register().items() if about["models"]}
    assert found.pop("best_weights") == set(MODELS)  # both of its criteria are in every history
    assert concerned == found
    assert concerned["padding"] == {"custom_cnn"}
    assert concerned["vgg16_scaling"] == {"vgg16"}


def test_the_printed_register_has_every_reading_that_is_measured():
    printed = open_questions(Study()).set_index("setting")
    for name, reading in readings(load_study("paper")).items():
        row = printed.loc[reading.setting]
        assert name.partition("=")[2] + ": " in row["alternatives"]
        assert row["concerns"] == ", ".join(map(titled, reading.models))
    assert printed.loc["positive_class", "concerns"] == "Table 1 only"


def history(val_loss, val_accuracy):
    return pd.DataFrame({"val_loss": val_loss, "val_accuracy": val_accuracy})


def test_the_kept_epoch_is_the_first_best():
    made_up = history([0.5, 0.3, 0.3, 0.9], [0.70, 0.80, 0.85, 0.90])
    assert kept_epoch(made_up, "val_loss")["val_accuracy"] == 0.80
    assert kept_epoch(made_up, "val_accuracy")["val_accuracy"] == 0.90
    assert kept_epoch(history([math.nan, 0.4], [0.5, 0.6]), "val_loss")["val_accuracy"] == 0.6


def test_a_difference_and_its_interval_by_hand():
    # d = 0.02, 0.04: mean 0.03, s = 0.0141421, t(1) = 12.7062: 12.7062 * 0.01 = 0.127062.
    # N = 98: p = (98 * 0.95 + 1.920729) / 101.841459, and for 0.92; p (1 - p) / 101.841459 is
    # 0.000613586 and 0.000850897: 1.959964 * sqrt(0.00146448) = 0.0750050
    mean, low, high = mean_difference([0.94, 0.96], [0.92, 0.92], 98)
    half = math.sqrt(0.127062**2 + 0.0750050**2)
    assert mean == pytest.approx(0.03)
    assert (low, high) == pytest.approx((0.03 - half, 0.03 + half), abs=1e-5)
    mean, low, high = mean_difference([0.95], [0.92], 98)  # one seed: the images' chance alone
    assert (low, high) == pytest.approx((0.03 - 0.0750050, 0.03 + 0.0750050), abs=1e-5)
    mean, low, high = mean_difference([1.0, 1.0], [1.0, 1.0], 300)  # two perfect networks
    assert (mean, -0.02 < low < 0 < high < 0.02) == (0, True)


@pytest.mark.parametrize(
    ("seeds", "spread"),  # with one seed the interval doesn't claim to hold the trainings' chance
    [(1, 0.0), (2, 0.0), (2, 0.05), (5, 0.005), (5, 0.05)],
)
def test_the_interval_covers_the_truth_at_least_as_often_as_it_says(seeds, spread):
    # The images' chance is drawn once for all seeds, the trainings' for each.
    rng, images, truth = np.random.default_rng(0), 300, np.array([0.93, 0.90])
    shared = rng.binomial(images, truth, (2000, 2)) / images
    drawn = np.clip(shared[:, :, None] + rng.normal(0, spread, (2000, 2, seeds)), 0, 1)
    intervals = [mean_difference(reading, baseline, images) for reading, baseline in drawn]
    covered = np.mean([low <= 0.03 <= high for _, low, high in intervals])
    assert covered > 0.94


# On a made-up run.


@pytest.fixture
def asked(finished, monkeypatch):
    """A finished run of two seeds, and what is trained for its questions."""
    study, asked = finished(seeds=2, overrides="batch_norm_momentum=0.9"), []

    def fit(study, model, seed, out):
        asked.append((study.run.rpartition("/")[2], model, seed))
        gain = 0.125 if "padding" in study.run else 0.0
        table = history([0.6, 0.5, 0.7], [0.5, 0.625 + gain, 0.75])
        table.assign(epoch=[1, 2, 3]).to_csv(out / "history.csv", index=False)
        (out / "model.keras").write_text("a large file")
        (out / "architecture.csv").touch()

    monkeypatch.setattr(trained, "fit_network", fit)
    for task in trained.train.all(study):  # the run's own histories, of the same kind
        task.marker.unlink()
        task.ensure()
    asked.clear()
    return study, asked


def measured(study):
    done(*extensions()["open_questions"].tasks(study))
    return measure.open_questions.of(study).read()


def test_what_is_done_is_not_trained_again_and_the_table_is_the_readings_against_the_run(asked):
    study, trained_now = asked
    table = measured(study)
    expected = [task.args for task in measure.trained_readings(study)]
    assert trained_now == expected
    assert len(expected) == 2 * (7 + 6)
    assert not list(study.results.rglob("open_questions/**/*.keras"))
    assert measured(study).equals(table)
    assert trained_now == expected

    rows = table.set_index(["setting", "value", "model"])
    assert len(rows) == 7 + 6 + 2
    padding = rows.loc["padding", "valid", "custom_cnn"]
    assert padding["baseline_mean"] == 0.625  # the epoch with the lowest val_loss
    assert (padding["reading_mean"], padding["difference"], padding["seeds"]) == (0.75, 0.125, 2)
    for model in MODELS:  # the same histories by the other rule: the last epoch
        assert rows.loc["best_weights", "val_accuracy", model]["difference"] == 0.125
    others = rows.drop(["padding", "best_weights"], level="setting")
    assert (others["difference"] == 0).all()
    assert ((others["ci_low"] < 0) & (others["ci_high"] > 0)).all()
    sizes = measure.by_size(table)["difference"].abs()
    assert sizes.is_monotonic_decreasing
    text = measure.summary(study)
    assert "by +12.5 (" in text
    assert "In 15 of 15 comparisons the interval includes 0 (2 seeds)" in text

    one = study.results / "open_questions" / "padding=valid" / "custom_cnn" / "seed-1"
    (one / "history.csv").unlink()
    trained_now.clear()
    measured(study)
    assert trained_now == [("padding=valid", "custom_cnn", 1)]


def test_nothing_is_trained_before_the_runs_own_networks(asked):
    study, trained_now = asked
    trained.train.of(study, FROZEN[0], 1).path("history.csv").unlink()
    with pytest.raises(StudyError, match="run notebooks/03_vgg16_transfer"):
        measure.open_questions(study)
    assert trained_now == []
