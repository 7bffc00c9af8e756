"""The learning curve: a known law given back, and what isn't determined."""

import json

import numpy as np
import pandas as pd
import pytest

from beyond.learning_curve import law as curve
from beyond.learning_curve import measure
from conftest import done
from fakeface_utils.extension import extensions
from fakeface_utils.models import MODELS
from fakeface_utils.run import load_study
from fakeface_utils.step import STEPS

SIZES = np.array([312.5, 625, 1250, 2500])
LAW = (0.02, 0.14, 0.5)
ERRORS = curve.power_law(SIZES / 2500, *LAW)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(curve, "RESAMPLES", 100)


def answers(errors=ERRORS, seeds=3, images=2000, spread=0.0):
    """Made-up networks, (K, seeds, images) wrong or not; a size's seeds reach this far apart."""
    random = np.random.default_rng(0)
    rates = np.array(errors)[:, None] + spread * np.linspace(-1, 1, seeds)
    return random.random((len(errors), seeds, images)) < rates[:, :, None]


@pytest.mark.parametrize("law", [(0.03, 0.12, 0.5), (0.0, 0.2, 0.3), (0.08, 0.07, 0.8)])
def test_points_of_a_known_law_give_the_law_back(law):
    shares = SIZES / SIZES[-1]
    assert curve.fit_power_law(shares, curve.power_law(shares, *law)) == pytest.approx(
        law, abs=2e-3
    )


def test_the_band_holds_the_truth_and_is_wider_the_less_is_known():
    def width(**how):
        fitted = curve.fit_curve(SIZES, answers(**how))
        return fitted["high"][-1] - fitted["low"][-1]

    fitted = curve.fit_curve(SIZES, answers(spread=0.01))
    truth = curve.power_law(np.array(fitted["grid"]) / 2500, *LAW)
    assert fitted["why_not"] == ""
    assert (fitted["grid"][0], fitted["grid"][-1]) == pytest.approx((312.5, 50_000))
    assert np.all(np.array(fitted["low"]) <= truth)
    assert np.all(truth <= np.array(fitted["high"]))
    apart = np.subtract(fitted["high"], fitted["low"])
    widths = apart / truth
    assert widths[-1] > 2 * widths[np.searchsorted(fitted["grid"], 1250)]
    assert width(seeds=9, images=8000, spread=0.01) < apart[-1]
    assert width(images=8000, spread=0.03) > 1.5 * width(images=8000)


def test_one_seed_leaves_out_how_runs_differ_and_still_gives_a_band():
    wrong = answers(seeds=1)
    fitted = curve.fit_curve(SIZES, wrong)
    assert fitted["low"][-1] < fitted["error"][-1] < fitted["high"][-1]
    assert fitted["a"] + fitted["b"] == pytest.approx(wrong[-1].mean(), abs=0.02)


def test_two_sizes_are_refused_and_so_are_sizes_at_chance():
    two = curve.fit_curve(SIZES[:2], answers(ERRORS[:2]))
    assert list(two) == ["why_not"]
    assert two["why_not"].startswith("only 2 sizes at which the network does better than chance")
    guessing = curve.fit_curve(SIZES, answers([0.5, 0.49, 0.3, 0.2]))
    assert "only 2 sizes" in guessing["why_not"]
    fitted = curve.fit_curve(SIZES, answers([0.5, 0.35, 0.25, 0.18]))
    assert fitted["sizes_fitted"] == [625, 1250, 2500]  # the law has no plateau at chance
    uneven = curve.fit_curve(SIZES, answers([0.2, 0.21, 0.1, 0.05]), guessing=0.2)
    assert "only 2 sizes" in uneven["why_not"]  # a fifth of the test images is of one class


def test_errors_that_do_not_fall_determine_no_curve():
    flat = curve.fit_curve(SIZES, answers([0.25, 0.25, 0.25, 0.25], spread=0.01))
    assert "the exponent ends at a bound" in flat["why_not"]
    assert measure.sentence("vgg16", flat).startswith("VGG16: no curve: in ")


def test_every_size_is_the_same_study_with_fewer_images_and_shares_its_features():
    study = load_study("laptop", seeds=2)
    for share in measure.SHARES:
        theirs, ours = measure.smaller(study, share).deciding(), study.deciding()
        assert [name for name in ours if theirs[name] != ours[name]] == ["training_share"]
        assert theirs["training_share"] == share
    own = {one.marker for task in STEPS["predict"].all(study) for one in (*task.before(), task)}
    points = measure.point.all(study)
    assert len(points) == 3 * len(MODELS) * 2
    assert not own & {task.marker for task in points}
    assert {before.marker for task in points for before in task.before()} <= own
    half = load_study("laptop", overrides="training_share=0.5")  # of what the run trains on
    assert measure.smaller(half, 0.5).training_share == 0.25


def test_the_sentence_has_the_papers_number_and_the_reach(places):
    study = load_study("laptop", seeds=2)
    known = {"why_not": "", "a": 0.01, "b": 0.16, "c": 0.5, "sizes_fitted": [625, 1250, 2500]}
    known |= {"target": 50_000, "error": [0.3, 0.05], "low": [0.2, 0.03], "high": [0.4, 0.08]}
    task = measure.learning_curve.of(study)
    curves = {"custom_cnn": known, "vgg16": {"why_not": "few"}}
    task.folder.mkdir(parents=True)
    task.path("learning_curve.json").write_text(json.dumps(curves))
    table = {"model": "vgg16", "seed": [0, 1], "images_per_class": 2500, "accuracy": 1}
    pd.DataFrame(table).to_csv(task.path("learning_curve.csv"), index=False)
    text = measure.summary(study)
    assert (
        "custom CNN: at 50,000 images of each class the curve gives an accuracy of 0.950 (95 % "
        "band 0.920 to 0.970); the paper says 0.9718. Error = 0.010 + 0.160 (n / 2,500)^-0.50."
        in text
    )
    assert "VGG16: no curve: few." in text
    assert "20 times beyond what was seen, at 112 pixels and with 2 seeds" in text


def test_a_curve_measured_with_other_seeds_belongs_to_the_study(finished):
    study = finished("demo", seeds=2)
    curve = extensions()["learning_curve"]
    assert curve.why_stale(study)
    done(*curve.tasks(study))
    table = measure.learning_curve.of(study).read()
    assert table["images_per_class"].tolist()[:2] == [1.0, 1.0]  # an eighth of six images of each
    five = study.model_copy(update={"seeds": (0, 1, 2)})
    assert curve.measured(five).seeds == (0, 1)
    assert curve.why_stale(curve.measured(five)) == ""
    measure.learning_curve.of(study).path().write_text("edited")
    assert curve.why_stale(curve.measured(five)).endswith("learning_curve.csv has changed")
