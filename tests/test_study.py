"""The configuration: profiles, overrides, and what a mistyped one says."""

import pytest

from fakeface_utils.common.errors import StudyError
from fakeface_utils.common.files import write_json
from fakeface_utils.study.artefacts import study_json
from fakeface_utils.study.parameters import load_study
from fakeface_utils.study.questions import open_questions
from fakeface_utils.study.record import claim_run
from fakeface_utils.study.settings import Study


def test_the_paper_profile_has_the_papers_settings():
    study = load_study("paper")
    assert (study.image_size, study.epochs, study.batch_size) == (224, 15, 100)
    assert (study.learning_rate, study.dropout) == (0.01, 0.4)
    assert (study.custom_filters, study.custom_dense, study.vgg16_dense) == (
        (64, 128, 128),
        256,
        512,
    )
    assert (study.data, study.run) == ("kaggle", "paper")
    assert study.differences().empty


def test_demo_differences_are_listed():
    differing = load_study("demo").differences().set_index("setting")
    assert differing.loc["data", "here"] == "demo"
    assert differing.loc["image_size", "paper"] == "224"
    assert "dropout" not in differing.index


def test_overrides_have_the_types_of_their_settings():
    study = load_study(
        overrides="epochs=2 learning_rate=1e-4 images_per_class=none custom_filters=8,16,16 "
        "dense_batch_norm=false"
    )
    assert (study.epochs, study.learning_rate, study.images_per_class) == (2, 1e-4, None)
    assert (study.custom_filters, study.dense_batch_norm) == ((8, 16, 16), False)


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [(3, (0, 1, 2)), ("3", (0, 1, 2)), ("0,4,7", (0, 4, 7)), ([5], (5,)), ("5,", (5,))],
)
def test_seeds_are_a_count_or_a_list(seeds, expected):
    assert load_study(seeds=seeds).seeds == expected


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"profile": "dmo"}, ["'dmo'", "'demo'"]),
        ({"overrides": "epoch=2"}, ["'epoch'", "'epochs'"]),
        ({"overrides": "epochs=two"}, ["'epochs'", "'two'"]),
        ({"overrides": "epochs=0"}, ["'epochs'"]),
        ({"overrides": "epochs"}, ["'epochs'", "setting=value"]),
        ({"overrides": "padding=sme"}, ["'padding'", "'sme'"]),
        ({"overrides": "run=x"}, ["'run'"]),
        ({"overrides": "'"}, ["overrides"]),
        ({"seeds": 0}, ["seeds"]),
        ({"seeds": "a"}, ["seeds"]),
        ({"seeds": [1, 1]}, ["seeds"]),
        ({"run": "../x"}, ["'../x'"]),
    ],
)
def test_a_mistake_is_one_sentence_that_names_it(parameters, words):
    with pytest.raises(StudyError) as caught:
        load_study(**parameters)
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words)


def test_settings_keep_the_datas_name_and_no_path(tmp_path):
    study = load_study(data=str(tmp_path / "faces"))
    assert study.settings()["data"] == "faces"
    assert str(tmp_path) not in str(study.settings())


def test_every_open_question_names_a_setting_with_its_default():
    register = open_questions(Study())
    named = register[register["setting"].isin(Study.model_fields)]
    assert len(named) >= 10
    for row in named.itertuples():
        if row.setting != "seeds":
            default = Study.model_fields[row.setting].default
            assert row.default == (
                str(default).lower() if isinstance(default, bool) else str(default)
            )
            assert row.reason
            assert row.alternatives


def remembered(places, **parameters):
    """Open a run, as a notebook does."""
    study = load_study(**parameters)
    claim_run(study)
    return study


def test_a_run_remembers_what_is_left_empty(places, faces):
    study = remembered(
        places, run="mine", data=str(faces), seeds="0,4", overrides="epochs=3 dropout=0"
    )
    assert load_study(run="mine") == study
    assert load_study(run="mine", seeds=3) == study.model_copy(update={"seeds": (0, 1, 2)})
    assert load_study(run="mine", overrides="epochs=3") == study  # dropout is the run's own
    assert load_study(run="mine", overrides={"epochs": 4}).dropout == 0
    assert load_study(run="another").epochs == load_study().epochs


def test_another_profile_under_the_same_name_takes_nothing_of_the_run(places):
    remembered(places, run="mine", overrides="epochs=3")
    assert load_study("paper", run="mine") == load_study("paper", run="new").model_copy(
        update={"run": "mine"}
    )


def test_a_remembered_path_with_spaces_comes_back_whole(places, tmp_path):
    weights = tmp_path / "my weights.npz"
    study = remembered(places, run="mine", overrides={"vgg16_weights": str(weights)})
    assert study.vgg16_weights == str(weights)
    assert load_study(run="mine") == study


def test_settings_that_differ_are_refused_with_the_advice_that_fits(places):
    study = remembered(places, run="mine", overrides="epochs=3")
    write_json(study_json("mine"), {"settings": study.settings(), "dataset": {"generated": True}})
    with pytest.raises(StudyError) as caught:
        claim_run(load_study(run="mine", overrides="epochs=4"))
    text = str(caught.value)
    assert "epochs is 3 there and 4 here" in text
    assert "leave epochs out to continue" in text
    assert "force" not in text
    assert load_study(run="mine") == study  # what was refused isn't remembered


def test_overrides_may_be_a_dictionary():
    assert load_study(overrides={"epochs": 2, "padding": "valid"}).padding == "valid"
    with pytest.raises(StudyError, match="did you mean 'epochs'"):
        load_study(overrides={"epoch": 2})


@pytest.mark.parametrize("name", ["bench", "examples", "registry"])
def test_names_that_are_no_runs_are_refused(name):
    with pytest.raises(StudyError, match="no name for a run"):
        load_study(run=name)


def test_every_setting_has_a_source():
    table = load_study("paper").table().set_index("setting")
    assert set(table["source"]) == {"the paper", "our reading", "ours"}
    assert table.loc["dropout", "source"] == "the paper"
    assert table.loc["dropout", "meaning"].endswith("sections 3.1 and 3.2")
    assert table.loc["padding", "source"] == "our reading"
    assert table.loc["skip_unreadable", "source"] == "ours"
