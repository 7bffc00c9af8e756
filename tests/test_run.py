"""Parameters become a study, a run remembers them, and its name belongs to one study."""

import io
import json
import os
import re
import shutil
import sys
from types import SimpleNamespace

import IPython
import pytest
from typer.testing import CliRunner

from conftest import done
from fakeface_utils import cli, extension, notebook, run
from fakeface_utils.cli import app
from fakeface_utils.data import dataset
from fakeface_utils.extension import Extension, extensions
from fakeface_utils.notebook import open_study
from fakeface_utils.run import check_run, claim_run, command, load_study, parameters_of
from fakeface_utils.settings import Study, as_typed, open_questions
from fakeface_utils.util import ROOT, StudyError, git_revision

SMALL = "image_size=32 epochs=1 batch_size=4 custom_filters=2,2,2 custom_dense=4 vgg16_dense=4"


@pytest.fixture
def options(monkeypatch):
    """An extension with two settings of its own."""
    numbers = {"demo": 100}
    named = Extension(
        "named",
        "Named",
        options=lambda name: {"number": (int, numbers.get(name, 1000)), "place": (str, "")},
    )
    monkeypatch.setattr(extension, "extensions", lambda: {"named": named})


def told(call, *words, **named):
    """The one sentence that a call ends with."""
    with pytest.raises(StudyError) as caught:
        call(*words, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Parameters.


@pytest.mark.parametrize("given", ["32,64", "(32,64)", "[32, 64]", [32, 64], (32, 64), "32,64,"])
def test_filters_may_be_of_any_number(given):
    study = load_study(run="few", overrides={"custom_filters": given})
    assert study.custom_filters == (32, 64)
    assert load_study(**parameters_of(study)).custom_filters == (32, 64)
    assert load_study(overrides="custom_filters=32").custom_filters == (32,)


def test_the_paper_profile_has_the_papers_settings_and_others_list_their_differences():
    study = load_study("paper")
    assert (study.image_size, study.epochs, study.batch_size) == (224, 15, 100)
    assert (study.learning_rate, study.dropout) == (0.01, 0.4)
    assert study.custom_filters == (64, 128, 128)
    assert (study.custom_dense, study.vgg16_dense) == (256, 512)
    assert (study.data, study.run) == ("kaggle", "paper")
    assert study.differences().empty
    differing = load_study("demo").differences().set_index("setting")
    assert differing.loc["data", "here"] == "demo"
    assert differing.loc["image_size", "paper"] == "224"
    assert "dropout" not in differing.index


def test_overrides_have_the_types_of_their_settings():
    study = load_study(
        overrides="epochs = 2, learning_rate=1e-4 images_per_class=none custom_filters=8,16,16  "
        "dense_batch_norm=false"
    )
    assert (study.epochs, study.learning_rate, study.images_per_class) == (2, 1e-4, None)
    assert (study.custom_filters, study.dense_batch_norm) == ((8, 16, 16), False)
    path = "/a, b = c/weights.h5"  # in quotes nothing is touched
    assert load_study(overrides=f"vgg16_weights='{path}' epochs=3").vgg16_weights == path
    assert load_study(overrides={"epochs": 2, "padding": "valid"}).padding == "valid"


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [(3, (0, 1, 2)), ("3", (0, 1, 2)), ("0,4,7", (0, 4, 7)), ([5], (5,)), ("5,", (5,))],
)
def test_seeds_are_a_count_or_a_list(seeds, expected):
    assert load_study(seeds=seeds).seeds == expected


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"profile": "dmo"}, ["'dmo'", "did you mean 'demo'?"]),
        ({"profile": 5}, ["unknown profile '5'"]),
        ({"overrides": "lr=1"}, ["'lr'", "did you mean 'learning_rate'?"]),
        ({"overrides": "vgg16_weights=resnet50"}, ["vgg16_weights", "imagenet, random, or Keras'"]),
        ({"overrides": {"custom_filters": ""}}, ["custom_filters", "at least 1 item"]),
        ({"overrides": "custom_filters=64,0"}, ["custom_filters", "greater than or equal to 1"]),
        ({"overrides": "custom_filters=500000"}, ["custom_filters", "equal to 100000"]),
        ({"overrides": "custom_filters=8,8,8,8,8,8"}, ["leave nothing of 56 pixels: give fewer"]),
        ({"overrides": "optimizer=rmsprop"}, ["optimizer", "'adam' or 'sgd'"]),
        ({"overrides": "augment=zoom"}, ["augment", "'flip'"]),
        ({"overrides": "epoch=2"}, ["'epoch'", "did you mean 'epochs'?"]),
        ({"overrides": {"epoch": 2}}, ["'epoch'", "did you mean 'epochs'?"]),
        ({"overrides": "epochs=two"}, ["'epochs'", "'two'"]),
        ({"overrides": "epochs=0"}, ["'epochs'"]),
        ({"overrides": "epochs=99999999999999"}, ["setting 'epochs' is '99999999999999'"]),
        ({"overrides": "learning_rate=1e400"}, ["setting 'learning_rate' is '1e400'", "finite"]),
        ({"overrides": "custom_filters=8,0,8"}, ["setting 'custom_filters' is '0'", "equal to 1"]),
        ({"overrides": {1: 2}}, ["unknown setting '1'"]),
        ({"overrides": "epochs"}, ["overrides is 'epochs'", "as epochs=2"]),
        ({"overrides": "epochs="}, ["overrides is 'epochs='", "as epochs=2"]),
        ({"overrides": "padding=sme"}, ["'padding'", "'sme'"]),
        ({"overrides": "run=x"}, ["'run' is a parameter of its own"]),
        ({"overrides": "options=x"}, ["unknown setting 'options'"]),
        ({"overrides": "number=few"}, ["setting 'number' is 'few'"]),
        ({"overrides": "numbr=5"}, ["did you mean 'number'?"]),
        ({"overrides": "'"}, ["overrides"]),
        ({"overrides": 5}, ["overrides is 5"]),
        ({"seeds": 0}, ["'seeds' is 0: give a count from 1 to 1000"]),
        ({"seeds": "a"}, ["'seeds' is 'a'"]),
        ({"seeds": "1 2"}, ["'seeds' is '1 2'"]),
        ({"seeds": [1, 1]}, ["'seeds' is [1, 1]"]),
        ({"seeds": 10**9}, ["'seeds' is 1000000000"]),
        ({"run": "../x"}, ["'../x'"]),
        ({"run": "x" * 300}, ["at most 100"]),
        ({"run": "bench"}, ["no name for a run"]),
        ({"run": "Examples"}, ["no name for a run"]),
        ({"run": 1e3}, ["run is the value 1000.0, not a name", "-r run NAME"]),  # papermill -p
        ({"run": True}, ["run is the value True"]),
    ],
)
@pytest.mark.usefixtures("options")
def test_a_mistake_is_one_sentence_that_names_it(parameters, words):
    sentence = told(load_study, **parameters)
    assert all(word in sentence for word in words), sentence


def test_a_number_and_nothing_are_taken_as_meant():
    assert load_study(run=2022, profile=None, overrides=None).run == "2022"


def test_what_an_extension_leaves_under_results_is_no_name_for_a_run():
    for name in extensions():
        assert "no name for a run" in told(load_study, run=name.upper())


def test_settings_keep_the_datas_name_and_no_path(tmp_path):
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_text("path\n")
    study, moved = (
        load_study(data=str(tmp_path / "faces"), overrides=f"leave_out={tmp_path / name}")
        for name in ("one.csv", "two.csv")
    )
    assert study.deciding() == moved.deciding()  # known by what it holds
    assert study.deciding()["data"] == "faces"
    assert str(tmp_path) not in str(study.deciding())
    assert str(tmp_path) not in command(study)


def test_every_setting_has_a_source_and_every_open_question_its_default():
    table = load_study("paper").table().set_index("setting")
    sources = {"dropout": "the paper", "padding": "our reading", "skip_unreadable": "ours"}
    assert set(table["source"]) == set(sources.values())
    assert {name: table.loc[name, "source"] for name in sources} == sources
    assert table.loc["dropout", "meaning"].endswith("sections 3.1 and 3.2")
    register = open_questions(Study()).query("alternatives != ''")
    assert len(register) >= 10
    for row in register.itertuples():
        assert row.default == as_typed(Study.model_fields[row.setting].default)
        assert row.reason


# A run remembers.


def remembered(**parameters):
    """Open a run, as a notebook does."""
    study = load_study(**parameters)
    claim_run(study)
    return study


@pytest.mark.usefixtures("places", "options")
def test_a_run_remembers_what_is_left_empty(faces):
    words = "epochs=3 dropout=0 number=7"
    study = remembered(run="mine", data=str(faces), seeds="0,4", overrides=words)
    assert load_study(run="mine") == study
    assert load_study(run="mine", seeds=3) == study.model_copy(update={"seeds": (0, 1, 2)})
    assert load_study(run="mine", overrides="epochs=3") == study  # dropout is the run's own
    assert load_study(run="mine", overrides={"epochs": 4}).dropout == 0
    assert load_study(run="mine").options == {"number": 7, "place": ""}
    assert load_study(run="another").epochs == load_study().epochs
    assert load_study("laptop", run="another").options["number"] == 1000
    assert load_study(**parameters_of(study)) == study


@pytest.mark.usefixtures("places", "options")
def test_a_run_opens_without_the_extension_whose_setting_it_had(monkeypatch):
    remembered(run="mine", overrides="epochs=3 number=7")
    monkeypatch.setattr(extension, "extensions", dict)
    assert load_study(run="mine").options == {}
    assert load_study(run="mine").epochs == 3


def test_another_profile_takes_nothing_of_the_run_and_a_path_comes_back_whole(places):
    weights = places / "my weights.h5"
    study = remembered(run="mine", overrides={"vgg16_weights": str(weights)})
    assert study.vgg16_weights == str(weights)
    assert load_study(run="mine") == load_study(**parameters_of(study)) == study
    new = load_study("paper", run="new").model_copy(update={"run": "mine"})
    assert load_study("paper", run="mine") == new


@pytest.mark.parametrize(
    "study",
    [{"profile": 5}, {"profile": "no"}, {"data": 5}, {"seeds": "two"}, {"epochs": 0}, None, "x"],
)
@pytest.mark.usefixtures("places")
def test_damaged_parameters_of_a_run_are_one_sentence(study):
    path = remembered(run="x").results / ".parameters.json"
    held = json.loads(path.read_text())
    held["study"] = held["study"] | study if isinstance(study, dict) else study
    path.write_text(json.dumps(held))
    assert ".parameters.json is damaged: delete it" in told(load_study, run="x")
    path.write_text("[5]")
    assert ".parameters.json is damaged: delete it" in told(load_study, run="x")


# A name belongs to one study.


def prepared(data, name="x"):
    study = remembered(data=str(data), run=name, overrides=SMALL)
    done(dataset.of(study))
    claim_run(study)
    return study


@pytest.fixture
def held(places, faces):
    """A run whose images are prepared, and what its folder then holds."""
    return prepared(faces)


def kept(study):
    return {path: path.read_bytes() for path in study.results.rglob("*") if path.is_file()}


def test_other_settings_are_refused_with_the_advice_that_fits(held):
    before = kept(held)
    sentence = told(claim_run, load_study(run="x", overrides="epochs=4"))
    assert "epochs is 1 there and 4 here" in sentence
    assert "leave epochs out to continue" in sentence
    assert load_study(run="x") == held  # what was refused isn't remembered
    assert kept(held) == before


def exchange_classes(faces):
    for fake in faces.rglob("fake/*.jpg"):
        real = fake.parents[1] / "real" / fake.name
        a, b = fake.read_bytes(), real.read_bytes()
        fake.write_bytes(b)
        real.write_bytes(a)
        for path in (fake, real):
            os.utime(path, (1.7e9, 1.7e9))


def test_other_images_are_refused_and_the_same_elsewhere_are_not(places, held, faces):
    moved = places / "moved" / faces.name
    shutil.copytree(faces, moved)
    claim_run(load_study(data=str(moved), run="x"))
    shutil.copy(next(moved.rglob("train/fake/0.jpg")), next(moved.rglob("test/fake/1.jpg")))
    other = load_study(data=str(moved), run="x")
    before = kept(held)
    assert "the images of 'faces' have changed since" in told(claim_run, other)
    assert kept(held) == before
    assert not other.prepared.exists()


DOORS = {
    "report": ["report"],
    "data": ["data"],
    "beyond": ["beyond", "--only", "", "--seeds", "1"],
    "step": ["step", "prepare train"],
}


def test_a_demo_run_goes_on_after_the_code_that_draws_was_edited(places, monkeypatch):
    study = load_study("demo")
    claim_run(study)
    (study.results / ".train-custom_cnn-0.json").write_text("{}")
    monkeypatch.setattr("fakeface_utils.step.code_of", lambda *files: {"portrait.py": "edited"})
    claim_run(study)


@pytest.mark.parametrize("door", [*DOORS, "01_dataset", "04_evaluate", "06_report"])
def test_every_door_refuses_another_study_and_touches_nothing(held, faces, door):
    for change in ("epochs is 1 there and 2 here", "the images of 'faces' have changed since"):
        given = SMALL.replace("epochs=1", "epochs=2") if "epochs" in change else SMALL
        if "images" in change:
            exchange_classes(faces)
        before = kept(held)
        if door in DOORS:
            words = [*DOORS[door], "--run", "x", "--data", str(faces), "--set", given]
            answer = CliRunner().invoke(app, words)
            assert isinstance(answer.exception, StudyError), answer.output
            sentence = str(answer.exception)
        else:
            sentence = told(open_study, door, "", str(faces), "x", "", given)
        assert change in sentence
        assert kept(held) == before


def test_a_run_whose_record_was_deleted_is_still_known_and_gets_it_back(places, held, faces):
    record = held.results / "study.json"
    whole = record.read_bytes()
    record.unlink()
    (held.results / ".table1.json").write_text("{}")  # something was computed
    sentence = told(claim_run, load_study(run="x", overrides="epochs=2"))
    assert "epochs is 1 there and 2 here" in sentence
    claim_run(held)
    assert record.read_bytes() == whole
    (held.results / ".parameters.json").unlink()
    assert "data is faces there and demo here" in told(check_run, load_study(run="x"))


def test_the_record_says_what_a_reader_needs_and_names_no_path(places, held):
    text = (held.results / "study.json").read_text()
    record = json.loads(text)
    assert str(places) not in text
    assert record["profile"] == "demo"
    assert record["seeds"] == [0]
    assert record["settings"]["image_size"] == 32
    assert record["dataset"]["generated"] is False
    assert record["dataset"]["counts"]["test"] == {"real": 4, "fake": 4}
    assert len(record["weights_sha256"]) == 64


def test_an_unfinished_run_is_not_opened_for_others_and_left_as_it_is(held):
    before = kept(held)
    sentence = told(run.open_finished, "x", 3)
    assert sentence.endswith("run make report RUN=x SEEDS=3,")
    assert kept(held) == before
    assert load_study(run="x").seeds == (0,)


def test_a_step_is_done_by_its_name_after_those_that_it_stands_on(places, faces):
    words = ["--data", str(faces), "--run", "x", "--set", "image_size=32"]
    answer = CliRunner().invoke(app, ["step", "dataset", *words])
    assert answer.exception is None, answer.output
    assert dataset.of(load_study(run="x")).why_stale() == ""
    answer = CliRunner().invoke(app, ["step", "train vgg16", *words])
    assert str(answer.exception) == "there is no step 'train vgg16': did you mean 'train vgg16 0'?"


def test_a_console_without_the_letters_of_a_name_gets_escapes(monkeypatch):
    console = io.TextIOWrapper(io.BytesIO(), "cp1252", newline="")
    monkeypatch.setattr(sys, "stdout", console)
    monkeypatch.setattr(cli, "app", lambda **_: print("\u0416", flush=True))
    with pytest.raises(SystemExit):
        cli.main()
    assert console.buffer.getvalue().strip() == rb"\u0416"


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_a_checkout_that_git_takes_for_somebody_elses_is_said(monkeypatch):
    assert re.fullmatch("[0-9a-f]{12}(-modified)?", git_revision())
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert git_revision() == "unknown (git: dubious ownership)"


# Notebooks.


def test_a_name_that_is_no_notebook_is_refused_before_a_run_is_claimed(places):
    sentence = told(open_study, "01_datset", "", "", "alone")
    assert sentence == "there is no notebook '01_datset': did you mean '01_dataset'?"
    assert not (places / "results").exists()


@pytest.mark.usefixtures("places")
def test_the_first_notebook_needs_nothing_before_it():
    assert open_study("01_dataset", "", "", "alone").run == "alone"
    assert load_study(run="alone").profile == "demo"


@pytest.mark.parametrize("name", ["02_custom_cnn", "03_vgg16_transfer", "05_figures", "06_report"])
def test_a_notebook_run_before_its_inputs_exist_names_the_first_to_run(places, faces, name):
    words = (name, "", str(faces), "alone", "", SMALL)
    sentence = told(open_study, *words)
    assert "is missing: run notebooks/01_dataset.ipynb" in sentence
    assert not (places / "results" / "alone").exists()
    prepared(faces, "alone")
    if name < "04":
        assert open_study(*words).run == "alone"
    else:
        assert "run notebooks/02_custom_cnn.ipynb" in told(open_study, *words)


def shell(monkeypatch, *cells):
    """A notebook in which these cells ran."""
    history = SimpleNamespace(input_hist_raw=["", *cells])
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(history_manager=history))


PARAMETERS = 'profile = ""\nrun = ""\noverrides = ""\n'


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("# Parameters\nsedds = 3\n", "unknown parameter 'sedds': did you mean 'seeds'?"),
        ("# Parameters\nRUN = 'mine'\n", "unknown parameter 'RUN': did you mean 'run'?"),
        ("# Parameters\nepochs = 3", "'epochs' is no parameter: give overrides = 'epochs=3'"),
        ("# Parameters\nanything = 3", "unknown parameter 'anything': there are: data, overrides"),
        (f"{PARAMETERS}seed = 3", "unknown parameter 'seed': did you mean 'seeds'?"),
        (f"{PARAMETERS}Padding = 'same'", "give overrides = 'padding=same'"),
    ],
)
def test_a_mistyped_parameter_is_refused(monkeypatch, cell, sentence):
    shell(monkeypatch, PARAMETERS, cell, "%matplotlib inline", "1 + 1")
    assert sentence in told(notebook.open_study, "01_dataset")


def test_a_readers_own_variables_and_a_corrected_mistake_are_nobodys_business(monkeypatch):
    own = ["for seed in range(3):\n    pass", "%matplotlib inline", "epochs = 3", "answer = 'yes'"]
    shell(monkeypatch, f"{PARAMETERS}seed = 3", PARAMETERS, "# Parameters\nrun = 'x'\n", *own)
    notebook._check_names()
