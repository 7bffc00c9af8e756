"""The open questions as data, and what changing one reading at a time measures."""

import math
from functools import partial

import numpy as np
import pandas as pd
import pytest

from fakeface_utils.common.errors import StudyError
from fakeface_utils.common.paths import results_dir
from fakeface_utils.dataset.prepare import prepare
from fakeface_utils.evaluation.ablations import (
    by_size,
    compare_readings,
    kept_epoch,
    mean_difference,
    read_ablations,
    summary,
)
from fakeface_utils.report.beyond import section
from fakeface_utils.report.drawing import alternative_text
from fakeface_utils.report.open_questions import draw_open_questions
from fakeface_utils.run import chain, estimate
from fakeface_utils.run.status import Status
from fakeface_utils.run.work import train_beyond
from fakeface_utils.study import questions, readings
from fakeface_utils.study.artefacts import features_path, figure_files, prepared_dir, seed_dir
from fakeface_utils.study.beyond_artefacts import ablations_csv
from fakeface_utils.study.names import MODELS
from fakeface_utils.study.parameters import load_study
from fakeface_utils.study.plan import chain_steps, features_step, report_step, train_step
from fakeface_utils.study.questions import open_questions
from fakeface_utils.study.readings import other_readings, trainings
from fakeface_utils.study.settings import Study


@pytest.mark.parametrize("study", [load_study("paper"), load_study("demo")])
def test_each_reading_changes_one_setting_to_another_valid_value(study):
    readings = other_readings(study)
    assert len({reading.name for reading in readings}) == len(readings)
    for reading in readings:
        theirs, ours = reading.study.settings(), study.settings()
        assert [name for name in ours if theirs[name] != ours[name]] == [reading.setting]
        assert getattr(Study(**{reading.setting: reading.value}), reading.setting) == reading.value
        inside = results_dir(reading.study.run)
        assert results_dir(study.run) in (inside, inside.parent.parent)


def test_readings_are_those_the_study_does_not_take():
    def momenta(study):
        return [r.value for r in other_readings(study) if r.setting == "batch_norm_momentum"]

    assert momenta(load_study("paper")) == [0.9]
    assert momenta(load_study("demo", overrides="batch_norm_momentum=0.9")) == [0.99]
    assert momenta(load_study("demo", overrides="batch_norm_momentum=0.5")) == [0.99, 0.9]


def test_a_question_trains_the_models_it_concerns_and_no_other():
    study = load_study("paper", seeds=2)
    concerned: dict[str, set[str]] = {}
    for reading, model, _ in trainings(study):
        concerned.setdefault(reading.setting, set()).add(model)
    assert concerned == {
        "resize_filter": {"custom_cnn", "vgg16"},
        "padding": {"custom_cnn"},
        "dense_batch_norm": {"custom_cnn"},
        "batch_norm_momentum": {"custom_cnn"},
        "learning_rate_decay": {"custom_cnn"},
        "vgg16_scaling": {"vgg16"},
        "vgg16_learning_rate": {"vgg16"},
        "vgg16_learning_rate_decay": {"vgg16"},
    }
    assert {seed for _, _, seed in trainings(study)} == {0, 1}
    untrained = [r for r in other_readings(study) if r.setting not in concerned]
    assert [(r.name, r.models) for r in untrained] == [("best_weights=val_accuracy", MODELS)]


def test_the_printed_register_has_every_reading_that_is_measured():
    register = open_questions(Study()).set_index("setting")
    for reading in other_readings(load_study("paper")):
        row = register.loc[reading.setting]
        assert reading.name.partition("=")[2] + ": " in row["alternatives"]
        assert row["concerns"] == ", ".join(reading.models)
    assert register.loc["positive_class", "concerns"] == "Table 1 only"
    assert register.loc["positive_class", "alternatives"].startswith("real: ")


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


def test_two_perfect_networks_still_have_an_interval():
    mean, low, high = mean_difference([1.0, 1.0], [1.0, 1.0], 300)
    assert mean == 0
    assert -0.02 < low < 0 < high < 0.02


@pytest.mark.parametrize(
    ("seeds", "spread"),  # with one seed the interval doesn't claim to hold the trainings' chance
    [(1, 0.0), (2, 0.0), (2, 0.005), (2, 0.05), (5, 0.0), (5, 0.005), (5, 0.05)],
)
def test_the_interval_covers_the_truth_at_least_as_often_as_it_says(seeds, spread):
    # The images' chance is drawn once for all seeds, the trainings' for each.
    rng, images, truth = np.random.default_rng(0), 300, np.array([0.93, 0.90])
    shared = rng.binomial(images, truth, (2000, 2)) / images
    drawn = np.clip(shared[:, :, None] + rng.normal(0, spread, (2000, 2, seeds)), 0, 1)
    intervals = [mean_difference(reading, baseline, images) for reading, baseline in drawn]
    covered = np.mean([low <= 0.03 <= high for _, low, high in intervals])
    assert covered > 0.94


SMALL = "image_size=35 batch_norm_momentum=0.9"  # a reading of its own, for 0.99


def ablate(study):
    """What notebook 07 does."""
    train_beyond(study, "07_open_questions")
    table = compare_readings(study)
    draw_open_questions(study)
    return table


class Trainer:
    """Stands for `train` and `extract_features`: made-up histories, and what was asked for."""

    def __init__(self):
        self.trained, self.extracted, self.fails_at = [], [], None

    def train(self, study, model, seed):
        if len(self.trained) == self.fails_at:
            raise KeyboardInterrupt
        self.trained.append((study.run.rpartition("/")[2], model, seed))
        folder = seed_dir(study.run, model, seed)
        folder.mkdir(parents=True, exist_ok=True)
        gain = 0.125 if "padding" in study.run else 0.0
        table = history([0.6, 0.5, 0.7], [0.5, 0.625 + gain, 0.75])
        table.assign(epoch=[1, 2, 3]).to_csv(folder / "history.csv", index=False)
        (folder / "model.keras").write_text("a large file")
        (folder.parent / "architecture.csv").write_text("layer\n")

    def extract(self, study, split):
        path = features_path(study, split)

        def write():
            self.extracted.append((path.parent.name, path.parents[2].name, split))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("features")

        features_step(study, split).do(write)


@pytest.fixture
def trainer(monkeypatch):
    from fakeface_utils.networks import features, training

    trainer = Trainer()
    monkeypatch.setattr(training, "train", trainer.train)
    monkeypatch.setattr(features, "extract_features", trainer.extract)
    return trainer


@pytest.fixture
def study(places, faces, trainer):
    """A run of noise images whose own networks are trained, as far as files tell."""
    study = load_study("demo", str(faces), "made-up", "0,1", SMALL)
    train_own(study, trainer, study.seeds)
    trainer.trained.clear()
    trainer.extracted.clear()
    return study


def train_own(study, trainer, seeds):
    prepare(study)
    for split in ("train", "valid"):
        trainer.extract(study, split)
    for model in MODELS:
        for seed in seeds:
            train_step(study, model, seed).do(partial(trainer.train, study, model, seed))


def test_what_is_done_is_not_trained_again_and_one_more_seed_trains_itself_only(study, trainer):
    table = ablate(study)
    asked = [(reading.name, model, seed) for reading, model, seed in trainings(study)]
    assert trainer.trained == asked
    assert len(asked) == 2 * (7 + 6)
    assert set(trainer.extracted) == {
        (f"imagenet-{scaling}-float16", folder.name, split)
        for scaling, folder in (
            ("imagenet", prepared_dir(other_readings(study)[0].study)),
            ("unit", prepared_dir(study)),
        )
        for split in ("train", "valid")
    }
    assert ablate(study).equals(table)
    assert trainer.trained == asked
    assert not list((results_dir(study.run) / "ablations").rglob("*.keras"))
    assert (seed_dir(study.run, "vgg16", 0) / "model.keras").exists()

    more = study.model_copy(update={"seeds": (0, 1, 2)})
    train_own(more, trainer, (2,))
    trainer.trained.clear()
    assert set(ablate(more)["seeds"]) == {3}
    assert trainer.trained == [(name, model, 2) for name, model, seed in asked if seed == 0]


def test_a_new_question_trains_itself_only(study, trainer, monkeypatch):
    register = questions.register()
    known = {name: found for name, found in register.items() if name != "padding"}
    with monkeypatch.context() as without:
        without.setattr(readings, "register", lambda: known)
        assert "padding" not in set(ablate(study)["setting"])
    trainer.trained.clear()
    assert "padding" in set(ablate(study)["setting"])
    assert trainer.trained == [("padding=valid", "custom_cnn", seed) for seed in (0, 1)]


def test_an_interrupted_ablation_resumes_where_it_was(study, trainer):
    trainer.fails_at = 5
    with pytest.raises(KeyboardInterrupt):
        ablate(study)
    assert not ablations_csv(study).exists()
    trainer.fails_at = None
    ablate(study)
    asked = [(reading.name, model, seed) for reading, model, seed in trainings(study)]
    assert trainer.trained == asked


def test_nothing_is_trained_before_the_runs_own_networks(study, trainer):
    (seed_dir(study.run, "vgg16", 1) / "history.csv").unlink()
    with pytest.raises(StudyError, match="run notebooks/03_vgg16_transfer"):
        ablate(study)
    assert trainer.trained == []


def test_the_table_is_the_readings_against_the_run(study):
    table = ablate(study).set_index(["setting", "value", "model"])
    assert len(table) == 7 + 6 + 2
    padding = table.loc["padding", "valid", "custom_cnn"]
    assert padding["baseline_mean"] == 0.625  # the epoch with the lowest val_loss
    assert padding["reading_mean"] == 0.75
    assert padding["difference"] == 0.125
    assert padding["seeds"] == 2
    for model in MODELS:  # the same histories by the other rule: the last epoch
        assert table.loc["best_weights", "val_accuracy", model]["difference"] == 0.125
    others = table.drop(["padding", "best_weights"], level="setting")
    assert (others["difference"] == 0).all()
    assert (others["ci_low"] < 0).all()
    assert (others["ci_high"] > 0).all()


def test_the_largest_come_first_and_the_summary_names_two(study):
    table = pd.DataFrame(
        {
            "setting": ["padding", "vgg16_scaling", "resize_filter"],
            "value": ["valid", "unit", "nearest"],
            "model": ["custom_cnn", "vgg16", "custom_cnn"],
            "seeds": [2, 2, 2],
            "difference": [0.01, -0.05, 0.02],
            "ci_low": [-0.01, -0.06, 0.01],
            "ci_high": [0.03, -0.04, 0.03],
        }
    )
    assert by_size(table)["setting"].tolist() == ["vgg16_scaling", "resize_filter", "padding"]
    text = summary(table)
    assert "vgg16_scaling=unit (VGG16) by -5.0 (-6.0 to -4.0), then resize_filter=nearest" in text
    assert "In 1 of 3 comparisons the interval includes 0 (2 seeds)" in text
    assert "not run-to-run variation" in summary(table.assign(seeds=1))


def test_the_report_shows_the_figure_while_it_belongs_to_the_study(study):
    command = "<code>make beyond ONLY=open_questions RUN=made-up</code>"
    assert command in section(study, "open_questions").data

    def make_up(step):
        for path in step.outputs:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("made up")

    stale = report_step(study)
    for step in (*stale.before(), stale):
        step.do(partial(make_up, step))
    assert stale.is_done()
    table = ablate(study)
    assert not report_step(study).is_done()

    one_seed = study.model_copy(update={"seeds": (0,)})  # a table of one seed may stand beside it
    for each in (study, one_seed):
        shown = section(each, "open_questions").data
        assert summary(table).split(":")[0] in shown
        assert command not in shown
        assert "<svg" in shown
    svg = figure_files(study, "open_questions")[2]
    kept = svg.rename(svg.with_suffix(".kept"))  # a run of an earlier version has none
    assert command in section(study, "open_questions").data
    kept.rename(svg)
    text = alternative_text(study, "open_questions")
    assert "padding=valid (custom CNN) +12.5 (" in text
    assert text.count("(VGG16)") == 7
    assert "2 seeds" in text

    path = seed_dir(study.run, "custom_cnn", 0) / "history.csv"
    path.write_text(path.read_text().replace("0.625", "0.7"))
    assert read_ablations(study) is None
    assert command in section(study, "open_questions").data


def test_the_time_is_printed_before_it_starts_and_counts_what_is_left(study, monkeypatch, capsys):
    started = []
    monkeypatch.setattr(chain, "_run_notebooks", lambda study, steps, *_: started.extend(steps))
    monkeypatch.setattr(estimate, "gpus", lambda: [])
    chain.run_beyond(study.model_copy(update={"seeds": (0, 1, 2)}), "open_questions")
    assert "(training runs of the custom CNN: 22)" in capsys.readouterr().out
    chain_first = [*chain_steps(study)][:-1]
    assert started == [*chain_first, "07_open_questions", "06_report"]
    ablate(study)
    chain.run_beyond(study, "open_questions")
    # The images' audit is left, no training run is.
    assert "(training runs of the custom CNN: 0)" in capsys.readouterr().out


def test_the_reading_stays_in_front_of_what_its_training_run_prints(capsys):
    status = Status("[4/4] 07_open_questions")
    status.write("[3/26] train custom_cnn seed 1 with padding=valid\n")
    status.shown_at -= 61  # a log gets a line a minute
    status.write("epoch 1/8: loss 0.5\n")
    status.close("9 s")
    assert capsys.readouterr().out.splitlines() == [
        "[4/4] 07_open_questions [3/26] train custom_cnn seed 1 with padding=valid: "
        "epoch 1/8: loss 0.5",
        "[4/4] 07_open_questions: 9 s",
    ]


def test_a_warning_keeps_a_line_of_its_own(capsys):
    status = Status("[2/6] 02_custom_cnn")
    status.write("custom_cnn seed 0 epoch 2/8: loss 0.7\nwarning: custom_cnn seed 0 guesses\n")
    status.close("9 s")
    assert capsys.readouterr().out.splitlines() == [
        "[2/6] 02_custom_cnn: warning: custom_cnn seed 0 guesses",
        "[2/6] 02_custom_cnn: 9 s",
    ]
