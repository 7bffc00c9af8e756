"""`fakeface compare`: known differences and their intervals, what differs, and the page."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from fakeface_utils.cli import compare as command
from fakeface_utils.common.errors import StudyError
from fakeface_utils.evaluation import compare as compare_module
from fakeface_utils.evaluation.compare import difference, differences, paired_variances
from fakeface_utils.evaluation.intervals import paired_variance
from fakeface_utils.evaluation.side_by_side import compare, evaluated
from fakeface_utils.report.compare import compare_html, write_comparison
from fakeface_utils.study.artefacts import (
    dataset_json,
    history_csv,
    model_file,
    predictions_csv,
    prepared_dir,
    read_predictions,
    study_json,
)
from fakeface_utils.study.names import METRICS, MODELS
from fakeface_utils.study.parameters import load_study, parameters_of
from fakeface_utils.study.plan import predict_step

IMAGES = 200
LABELS = np.arange(IMAGES) % 2  # fakes and reals by turns


def wrong_first(count):
    """Outputs of a network that gets the first so many images wrong, and no other."""
    right = np.where(LABELS == 1, 0.9, 0.1)
    return np.where(np.arange(IMAGES) < count, 1 - right, right)


def write(path, table):
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(table).to_csv(path, index=False)


@pytest.fixture
def make(places):
    """Make up an evaluated run: a name, and for each seed how many test images it gets wrong."""

    def run(name, wrong, overrides="", data="demo", images="same", generated=True):
        study = load_study("demo", data=data, run=name, seeds=len(wrong), overrides=overrides)
        study_json(name).parent.mkdir(parents=True, exist_ok=True)
        study_json(name).with_name(".parameters.json").write_text(json.dumps(parameters_of(study)))
        study_json(name).write_text("{}")
        counts = {split: {"real": 100, "fake": 100} for split in ("train", "valid", "test")}
        dataset = {"name": study.data_name, "generated": generated, "counts": counts}
        dataset |= {"fingerprint": f"of {images} {study.image_size}", "unreadable": {}}
        prepared_dir(study).mkdir(parents=True, exist_ok=True)
        dataset_json(study).write_text(json.dumps(dataset | {"left_out": ""}))
        paths = [f"{number:03}.jpg" for number in range(IMAGES)]
        sha256 = [f"{images}{path}" for path in paths]
        tested = {"path": paths, "label": LABELS}
        write(prepared_dir(study) / "test.csv", tested | {"sha256": sha256})
        for model in MODELS:
            for seed, count in enumerate(wrong):
                p_fake = wrong_first(count)
                write(predictions_csv(name, model, seed), tested | {"p_fake": p_fake})
                losses = {"loss": [0.6, 0.5], "val_loss": [0.6, 0.4 + 0.1 * seed]}
                scores = {"accuracy": [0.6, 0.7], "val_accuracy": [0.6, 0.8]}
                write(history_csv(name, model, seed), {"epoch": [1, 2]} | losses | scores)
        return study

    return run


def table_of(*studies):
    """The comparison's table, its rows by what they are the mean of; and the comparison."""
    comparison = compare(studies)
    return comparison.table.set_index("mean of"), comparison


def numbers(words):
    return [float(number) for number in re.findall(r"[+-]?\d\.\d+", words)]


def test_runs_with_the_same_predictions_differ_by_0_and_the_interval_is_around_0(make):
    table, comparison = table_of(make("one", [20, 22]), make("two", [20, 22]))
    for words in table["two minus one"]:
        apart, low, high = numbers(words)
        assert apart == 0
        assert low == -high < 0
    assert table.loc["VGG16, accuracy", "one"] == table.loc["VGG16, accuracy", "two"]
    assert comparison.settings.empty
    assert all("can't tell which is better" in answer for answer in comparison.answers)
    assert len(comparison.answers) == 2


def test_a_known_difference_has_its_value_and_its_interval(make):
    table, comparison = table_of(make("one", [40]), make("two", [10]))
    # 30 of 200 images right only in the second run: Agresti and Min's variance, with half an image
    # in each of four kinds, here of each class.
    apart, low, high = numbers(table.loc["custom CNN, accuracy", "two minus one"])
    assert apart == pytest.approx(0.15)
    share = (32 / 204, 30 / 204)  # differ; differ in the second's favour more than in the first's
    half = 1.96 * np.sqrt((share[0] - share[1] ** 2) / 204)
    assert (low, high) == pytest.approx((0.15 - half, 0.15 + half), abs=0.003)
    assert half == pytest.approx(1.96 * np.sqrt(paired_variance(30, 0, 200)), rel=0.05)
    assert comparison.answers[0].endswith("two is better, as far as one training run can tell.")
    assert "One seed: one, two." in " ".join(comparison.remarks)
    # Of 100 fakes 80 and 95 are found; of 100 reals 20 and 5 are called fake.
    assert numbers(table.loc["VGG16, recall", "one"])[0] == pytest.approx(0.8)
    assert numbers(table.loc["VGG16, recall", "two minus one"])[0] == pytest.approx(0.15)
    assert numbers(table.loc["VGG16, precision", "two"])[0] == pytest.approx(0.95)


def test_runs_with_other_numbers_of_seeds_are_compared_by_their_means(make):
    table, comparison = table_of(make("one", [20, 22, 24]), make("two", [30, 34]), make("x", [22]))
    apart, low, high = numbers(table.loc["VGG16, accuracy", "two minus one"])
    assert apart == pytest.approx(-0.05)
    # t(2) = 4.3027, s = 0.01, n = 3; t(1) = 12.7062, s = 0.014142, n = 2
    of_seeds = 4.3027**2 * 0.0001 / 3 + 12.7062**2 * 0.0002 / 2
    assert (high - low) / 2 > np.sqrt(of_seeds)
    assert (high - low) / 2 == pytest.approx(np.sqrt(of_seeds), abs=0.005)
    assert numbers(table.loc["VGG16, accuracy", "x minus one"])[0] == 0
    assert comparison.remarks[1].startswith("One seed: x. ")
    assert list(comparison.about["which seeds"]) == ["0, 1, 2", "0, 1", "0"]


def test_the_interval_by_hand():
    apart, low, high = difference([0.89, 0.90, 0.91], [0.95], 0.00002)
    half = np.sqrt(4.302653**2 * 0.0001 / 3 + 1.959964**2 * 0.00002)
    assert (apart, low, high) == pytest.approx((0.05, 0.05 - half, 0.05 + half), abs=1e-6)


def test_other_test_images_are_not_paired_and_it_is_said(make):
    one = make("one", [20])
    same = make("same", [20], "resize_filter=nearest")  # prepared anew from the same files
    other = make("other", [20], "images_per_class=100", images="other")
    table, comparison = table_of(one, same, other)
    accuracy = table.loc["VGG16, accuracy"]
    paired, unpaired = (numbers(accuracy[f"{run} minus one"]) for run in ("same", "other"))
    assert paired[0] == unpaired[0] == 0
    assert unpaired[2] > 3 * paired[2]
    # Two shares of 0.9 of 200 images, each with Agresti and Coull's variance.
    p = (180 + 1.9207) / 203.8415
    assert unpaired[2] == pytest.approx(1.96 * np.sqrt(2 * p * (1 - p) / 203.8415), abs=1e-3)
    assert comparison.remarks[0].startswith("Tested on the same images as one: same;")
    assert comparison.remarks[1].startswith("Tested on other images than one: other;")


def test_the_interval_of_a_difference_ends_where_no_difference_can_be():
    assert compare_module.difference([0.1, 0.9], [0.2, 0.8], 0.0) == (0.0, -1.0, 1.0)


def test_the_order_of_the_rows_is_no_difference(make):
    one, two = make("one", [20]), make("two", [20])
    for model in MODELS:
        table = read_predictions(two, model, 0)
        write(predictions_csv("two", model, 0), table.sample(frac=1, random_state=0))
    table, _ = table_of(one, two)
    expected, _ = table_of(one, make("two", [20]))
    pd.testing.assert_frame_equal(table, expected)


def test_the_settings_that_differ_are_listed_and_no_others(make):
    make("one", [20])
    make("two", [20], "epochs=3 dropout=0.2")
    comparison = compare(evaluated(["one", "two"]))
    rows = comparison.settings.set_index("the setting")
    assert list(rows.index) == ["dropout", "epochs"]
    assert list(rows.loc["epochs"]) == ["10", "3"]
    assert "Settings that differ\nthe setting one two\n    dropout 0.4 0.2" in comparison.text()
    assert comparison.notices[0].startswith("one, two: Generated data: ")


def test_one_positive_class_serves_both_runs(make):
    table, comparison = table_of(make("one", [20]), make("two", [20], "positive_class=real"))
    assert list(table["one"]) == list(table["two"])
    assert comparison.remarks[-1] == "Positive class: fake, as in one, for all runs."


def test_the_page_opens_offline_and_a_name_is_no_html(make, tmp_path):
    data = tmp_path / "<img src=x onerror=alert(1)>"
    data.mkdir()
    one = make("one", [20])
    two = make("two", [20, 30], data=str(data), generated=False)
    path = write_comparison([one, two], compare([one, two]))
    assert path == compare_html(["one", "two"])
    assert path.parent.name == "compare"
    page = path.read_text()
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert set(re.findall(r'(?:src|href)="(\w+:[^,"]*)', page)) == {"data:"}
    assert page.count("<svg ") == 1
    assert "<script" not in page
    assert "@media print" in page  # the report's own looks
    assert "custom CNN of two 0.450 at epoch 2" in page  # the text alternative


def test_the_command_prints_the_tables_and_the_page(make, capsys):
    make("one", [20])
    make("two", [10])
    command(["one", "two"])
    out = capsys.readouterr().out
    assert "custom CNN, accuracy of two minus one: +0.0500" in out
    assert out.endswith(f"page: {compare_html(['one', 'two'])}\n")
    assert compare_html(["one", "two"]).is_file()


@pytest.mark.parametrize("runs", [[], ["one"], ["one", "one"], ["one", "two", "one"]])
def test_it_takes_two_runs_or_more_each_once(make, runs):
    with pytest.raises(StudyError, match="compare takes the names of two or more runs, each once"):
        evaluated(runs)


def test_a_run_that_is_missing_or_not_evaluated_is_one_sentence(make, tmp_path):
    make("one", [20])
    two = make("two", [20])
    with pytest.raises(StudyError, match="no run 'new': run fakeface report --run new to make it"):
        evaluated(["one", "new"])
    with pytest.raises(StudyError, match="run is 'compare', which is no name for a run here"):
        evaluated(["one", "compare"])
    model = model_file("two", "vgg16", 0)
    model.write_text("trained again")
    step = predict_step(two, "vgg16", 0)
    marker = {"seconds": 1, "computed": {}, "inputs": {"x/model.keras": "as it was"}}
    step.marker.write_text(json.dumps(marker))
    with pytest.raises(StudyError, match=r"model\.keras has changed; run fakeface report --run t"):
        evaluated(["one", "two"])
    step.marker.unlink()
    assert len(evaluated(["one", "two"])) == 2
    study_json("two").with_name(".parameters.json").rename(tmp_path / "kept")
    with pytest.raises(StudyError, match=r"run 'two' isn't evaluated: .*parameters\.json is missi"):
        evaluated(["one", "two"])  # what is in it isn't guessed
    (tmp_path / "kept").rename(study_json("two").with_name(".parameters.json"))
    predictions_csv("two", "vgg16", 0).unlink()
    with pytest.raises(StudyError, match=r"run 'two' isn't evaluated: .*predictions\.csv is missi"):
        evaluated(["one", "two"])


def test_pairing_uses_that_both_runs_find_the_same_images_hard():
    random = np.random.default_rng(0)
    truth, hard = random.random(2000) < 0.5, random.random(2000) < 0.2
    first, second = (np.where(hard, ~truth, truth)[None] for _ in range(2))
    assert paired_variances(truth, first, second)["accuracy"] < 0.05 * 2 * 0.2 * 0.8 / 2000
    easy = np.roll(second, 1)  # other images are hard for it
    independent = paired_variances(truth, first, easy)["accuracy"]
    assert independent > 20 * paired_variances(truth, first, second)["accuracy"]
    assert set(paired_variances(truth, first, second)) == set(METRICS)


@pytest.mark.parametrize(("seeds", "paired"), [((1, 1), True), ((1, 1), False), ((3, 5), True)])
def test_the_interval_of_a_difference_covers(monkeypatch, seeds, paired):
    """Images are more or less hard for all networks, and seeds differ by 0.01."""
    monkeypatch.setattr(compare_module, "RESAMPLES", 100)
    random, held = np.random.default_rng(1), dict.fromkeys(("accuracy", "f1"), 0)
    sd = 0.01 if min(seeds) > 1 else 0.0
    for _ in range(150):
        truth = random.random((2, 200)) < 0.5
        hard = random.normal(size=(2, 200))
        runs = []
        for run, (n, accuracy) in enumerate(zip(seeds, (0.87, 0.90), strict=True)):
            place = 0 if paired else run
            mixed = np.sqrt(0.6) * hard[place] + np.sqrt(0.4) * random.normal(size=(n, 200))
            right = ndtr(mixed) < accuracy + random.normal(0, sd, (n, 1))
            runs.append((truth[place], np.where(right, truth[place], ~truth[place])))
        for metric, (_, low, high) in differences(*runs, paired).items():
            if metric in held:
                held[metric] += low <= 0.03 <= high
    assert all(count >= 0.91 * 150 for count in held.values()), held
