"""The learning curve: nested sizes, scored by hand, and in words."""

import pandas as pd
import pytest

from beyond.learning_curve import measure
from conftest import done
from fakeface_utils.extension import extensions
from fakeface_utils.models import MODELS
from fakeface_utils.run import load_study
from fakeface_utils.step import STEPS


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


def test_the_words_have_each_mean_and_the_papers_number():
    table = {"model": ["custom_cnn"] * 4 + ["mine"], "seed": [0, 1, 0, 1, 0]}
    table |= {"accuracy": [0.7, 0.72, 0.8, 0.9, 0.6], "images_per_class": [312.5] * 2 + [2500] * 3}
    assert measure.in_words(pd.DataFrame(table)) == (
        "Test accuracy by training images of each class: custom CNN 0.710 at 312, 0.850 at 2,500; "
        "the paper: 0.9718 at 50,000. mine 0.600 at 2,500."
    )


def test_a_curve_measured_with_other_seeds_belongs_to_the_study(finished):
    study = finished("demo", seeds=2)
    curve = extensions()["learning_curve"]
    assert curve.why_stale(study)
    done(*curve.tasks(study))
    table = measure.learning_curve.of(study).read()
    assert table["images_per_class"].tolist()[:2] == [1.0, 1.0]  # an eighth of six images of each
    for (model, seed), own in table.groupby(["model", "seed"]):
        task = STEPS["predict"].of(study, model, seed)
        told = task.read("predictions.csv")
        right = ((told["p_fake"] >= 0.5) == (told["label"] == 1)).mean()
        assert own["accuracy"].iloc[-1] == pytest.approx(right)
    five = study.model_copy(update={"seeds": (0, 1, 2)})
    assert curve.measured(five).seeds == (0, 1)
    assert curve.why_stale(curve.measured(five)) == ""
    measure.learning_curve.of(study).path().write_text("edited")
    assert curve.why_stale(curve.measured(five)).endswith("learning_curve.csv has changed")
