"""The learning curve: nested training sets, a known law given back, and what isn't determined."""

import itertools

import numpy as np
import pandas as pd
import pytest

from fakeface_utils.common.errors import StudyError
from fakeface_utils.common.files import write_json
from fakeface_utils.evaluation import learning_curve as curve
from fakeface_utils.networks.training import drawn_rows, guesses
from fakeface_utils.study.beyond import BEYOND, as_measured, beyond_steps
from fakeface_utils.study.beyond_artefacts import learning_curve_json
from fakeface_utils.study.learning_curve import SHARES, curve_step, point_steps, smaller_studies
from fakeface_utils.study.names import MODELS
from fakeface_utils.study.parameters import load_study
from fakeface_utils.study.plan import chain_steps

SIZES = np.array([312.5, 625, 1250, 2500])


def answers(errors, seeds=3, images=2000, spread=0.0):
    """Made-up networks, (K, seeds, images) wrong or not; a size's seeds reach this far apart."""
    random = np.random.default_rng(0)
    rates = np.array(errors)[:, None] + spread * np.linspace(-1, 1, seeds)
    return random.random((len(errors), seeds, images)) < rates[:, :, None]


def test_smaller_training_sets_are_nested_balanced_and_drawn_by_the_seed():
    labels = np.array([0, 1] * 40 + [0] * 20)
    sets = [set(drawn_rows(labels, share, 3)) for share in (0.125, 0.25, 0.5, 1.0)]
    assert all(small < large for small, large in itertools.pairwise(sets))
    assert sets[-1] == set(range(100))
    assert [int(labels[list(rows)].sum()) for rows in sets] == [5, 10, 20, 40]
    assert [len(rows) for rows in sets] == [13, 25, 50, 100]  # 60 reals: 8, 15, 30, 60
    assert set(drawn_rows(labels, 0.25, 4)) != sets[1]
    assert len(drawn_rows(np.array([0, 1, 1]), 0.01, 0)) == 2  # one of each class stays


def test_a_network_guesses_until_it_beats_the_larger_class_beyond_chance():
    labels = np.repeat([0, 1], 1250)  # three standard errors of 0.5 are 0.03
    assert guesses(0.5, labels)
    assert guesses(0.529, labels)
    assert not guesses(0.531, labels)
    few = np.repeat([0, 1], 62)  # three standard errors are 0.13: no reason for a warning at 0.61
    assert not guesses(0.613, few)
    assert guesses(0.5, few)
    uneven = np.repeat([0, 1], [1875, 625])  # of 0.75 they are 0.026
    assert guesses(0.77, uneven)
    assert not guesses(0.78, uneven)


@pytest.mark.parametrize("law", [(0.03, 0.12, 0.5), (0.0, 0.2, 0.3), (0.08, 0.07, 0.8)])
def test_points_of_a_known_law_give_the_law_back(law):
    shares = SIZES / SIZES[-1]
    assert curve.fit_power_law(shares, curve.power_law(shares, *law)) == pytest.approx(
        law, abs=2e-3
    )


def test_the_band_holds_the_truth_and_widens_beyond_what_was_seen():
    law = (0.02, 0.14, 0.5)
    wrong = answers(curve.power_law(SIZES / 2500, *law), spread=0.01)
    fitted = curve.fit_curve(SIZES, wrong)
    truth = curve.power_law(np.array(fitted["grid"]) / 2500, *law)
    assert fitted["why_not"] == ""
    assert (fitted["grid"][0], fitted["grid"][-1]) == pytest.approx((312.5, 50_000))
    assert np.all(np.array(fitted["low"]) <= truth)
    assert np.all(truth <= np.array(fitted["high"]))
    width = np.subtract(fitted["high"], fitted["low"]) / truth
    assert width[-1] > 2 * width[np.searchsorted(fitted["grid"], 1250)]
    # More test images and seeds know more.
    surer = curve.fit_curve(SIZES, answers(curve.power_law(SIZES / 2500, *law), 9, 8000, 0.01))
    assert surer["high"][-1] - surer["low"][-1] < fitted["high"][-1] - fitted["low"][-1]


def test_the_spread_of_seeds_widens_the_band():
    errors = curve.power_law(SIZES / 2500, 0.02, 0.14, 0.5)
    calm, rough = (
        curve.fit_curve(SIZES, answers(errors, images=8000, spread=sd)) for sd in (0.0, 0.03)
    )
    assert rough["high"][-1] - rough["low"][-1] > 1.5 * (calm["high"][-1] - calm["low"][-1])


def test_two_sizes_are_refused_and_so_are_sizes_at_chance():
    errors = curve.power_law(SIZES / 2500, 0.02, 0.14, 0.5)
    two = curve.fit_curve(SIZES[:2], answers(errors[:2]))
    assert list(two) == ["why_not"]
    assert two["why_not"].startswith("only 2 sizes at which the network does better than chance")
    guessing = curve.fit_curve(SIZES, answers([0.5, 0.49, 0.3, 0.2]))
    assert "only 2 sizes" in guessing["why_not"]
    fitted = curve.fit_curve(SIZES, answers([0.5, 0.35, 0.25, 0.18]))
    assert fitted["sizes_fitted"] == [625, 1250, 2500]  # the law has no plateau at chance


def test_errors_that_do_not_fall_determine_no_curve():
    flat = curve.fit_curve(SIZES, answers([0.25, 0.25, 0.25, 0.25], spread=0.01))
    assert "the exponent ends at a bound" in flat["why_not"]
    assert "a" not in flat
    assert curve.sentence("vgg16", flat).startswith("VGG16: no curve: in ")


def test_the_sentence_has_the_papers_number_and_the_reach(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKEFACE_RESULTS", str(tmp_path))
    study = load_study("laptop", seeds=2)
    known = {"why_not": "", "a": 0.01, "b": 0.16, "c": 0.5, "sizes_fitted": [625, 1250, 2500]}
    known |= {"target": 50_000, "error": [0.3, 0.05], "low": [0.2, 0.03], "high": [0.4, 0.08]}
    write_json(learning_curve_json(study), {"custom_cnn": known, "vgg16": {"why_not": "few"}})
    table = pd.DataFrame(
        {"model": "vgg16", "seed": [0, 1], "images_per_class": 2500, "accuracy": 1}
    )
    table.to_csv(learning_curve_json(study).with_suffix(".csv"))
    text = curve.summary(study)
    assert (
        "custom CNN: at 50,000 images of each class the curve gives an accuracy of 0.950 (95 % "
        "band 0.920 to 0.970); the paper says 0.9718. Error = 0.010 + 0.160 (n / 2,500)^-0.50."
        in text
    )
    assert "VGG16: no curve: few." in text
    assert "20 times beyond what was seen, at 112 pixels and with 2 seeds" in text


def test_every_size_is_the_same_study_with_fewer_images_and_shares_its_features():
    study = load_study("laptop", seeds=2)
    for share, smaller in zip(SHARES, smaller_studies(study), strict=True):
        theirs, ours = smaller.settings(), study.settings()
        assert [name for name in ours if theirs[name] != ours[name]] == ["training_share"]
        assert theirs["training_share"] == share
    own = {step.marker for group in chain_steps(study).values() for step in group}
    points = point_steps(study)
    assert len(points) == 3 * len(MODELS) * 2
    assert not own & {step.marker for step in points}
    assert {before.marker for step in points for before in step.before()} <= own
    half = load_study("laptop", overrides="training_share=0.5")  # of what the run trains on
    assert [smaller.training_share for smaller in smaller_studies(half)] == [0.0625, 0.125, 0.25]


def test_what_is_beyond_the_paper_is_picked_by_name():
    study = load_study("demo")
    assert list(beyond_steps(study)) == list(BEYOND)
    both = ["07_open_questions", "08_learning_curve"]
    assert list(beyond_steps(study, "learning_curve, open_questions")) == both
    assert list(beyond_steps(study, "learning_curve")) == ["08_learning_curve"]
    with pytest.raises(StudyError, match="no 'learning' to measure: did you mean 'learning_curve'"):
        beyond_steps(study, "learning")


def test_a_curve_measured_with_other_seeds_belongs_to_the_study(tmp_path, monkeypatch):
    for name in ("RESULTS", "FIGURES", "DATA"):
        monkeypatch.setenv(f"FAKEFACE_{name}", str(tmp_path / name))
    study = load_study("demo", seeds=2, overrides="image_size=35 images_per_class=2")
    assert as_measured(study, curve_step) is None
    step = curve_step(study)
    for one in (*step.before(), step):

        def make_up(one=one):
            for path in one.outputs:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("made up")

        one.do(make_up)
    five = study.model_copy(update={"seeds": (0, 1, 2, 3, 4)})
    measured = as_measured(five, curve_step)
    assert measured is not None
    assert measured.seeds == (0, 1)
    step.outputs[0].write_text("edited")
    assert as_measured(five, curve_step) is None


def test_one_seed_leaves_out_how_runs_differ_and_still_gives_a_band():
    wrong = answers(curve.power_law(SIZES / 2500, 0.02, 0.14, 0.5), seeds=1)
    fitted = curve.fit_curve(SIZES, wrong)
    assert fitted["low"][-1] < fitted["error"][-1] < fitted["high"][-1]
    assert fitted["a"] + fitted["b"] == pytest.approx(wrong[-1].mean(), abs=0.02)
