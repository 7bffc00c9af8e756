"""`fakeface compare`: known differences and their intervals, what differs, and the page."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from beyond.compare import compare as command
from beyond.compare import measure
from beyond.compare.measure import UNPAIRED, compare, difference, differences, evaluated
from beyond.compare.measure import paired_variances as variances
from beyond.compare.show import page_of
from fakeface_utils.data import dataset, prepare
from fakeface_utils.digests import signature
from fakeface_utils.metrics import paired_variance
from fakeface_utils.models import MODELS
from fakeface_utils.paper import METRICS
from fakeface_utils.run import claim_run, load_study
from fakeface_utils.step import STEPS
from fakeface_utils.trained import predict
from fakeface_utils.util import StudyError

IMAGES = 200
LABELS = np.arange(IMAGES) % 2  # fakes and reals by turns
DONE = {"seconds": 1.0, "computed": {"when": "2026-01-01T00:00:00", "versions": {}, "git": ""}}


def wrong_first(count):
    """Outputs of a network that gets the first so many images wrong, and no other."""
    right = np.where(LABELS == 1, 0.9, 0.1)
    return np.where(np.arange(IMAGES) < count, 1 - right, right)


def done(task, **files):
    """Leave a task as if it had written these, or something."""
    for name in task.writes:
        path, content = task.path(name), files.get(name.replace(".", "_"), "made up")
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_text(content)
        else:
            pd.DataFrame(content).to_csv(path, index=False)
    outputs = {name: signature(task.path(name)) for name in task.writes}
    task.marker.write_text(json.dumps(task.depends_on() | {"outputs": outputs} | DONE))


@pytest.fixture
def make(places):
    """Make up an evaluated run: a name, and for each seed how many test images it gets wrong."""

    def run(name, wrong, overrides="", images="same", generated=False, folder="faces"):
        (places / folder).mkdir(exist_ok=True)
        data = str(places / folder)
        study = load_study("demo", data=data, run=name, seeds=len(wrong), overrides=overrides)
        paths = [f"{number:03}.jpg" for number in range(IMAGES)]
        tested = {"path": paths, "label": LABELS}
        listed = tested | {"sha256": [f"{images}{path}" for path in paths]}
        for task in prepare.all(study):
            done(task, **({"test_csv": listed} if task.args == ("test",) else {}))
        counts = {split: {"real": 100, "fake": 100} for split in ("train", "valid", "test")}
        told = {"name": study.data_name, "generated": generated, "counts": counts, "left_out": ""}
        told |= {"fingerprint": f"of {images} {study.image_size}", "unreadable": {}}
        done(dataset.of(study), dataset_json=json.dumps(told | {"split_by_us": False}))
        for task in [one for last in predict.all(study) for one in (*last.before(), last)]:
            seed = task.args[-1]
            if task.step is predict:
                done(task, predictions_csv=tested | {"p_fake": wrong_first(wrong[seed])})
            elif task.step is STEPS["train"]:
                losses = {"loss": [0.6, 0.5], "val_loss": [0.6, 0.4 + 0.1 * seed]}
                scores = {"accuracy": [0.6, 0.7], "val_accuracy": [0.6, 0.8]}
                done(task, history_csv={"epoch": [1, 2]} | losses | scores)
            elif task.step is STEPS["features"]:
                done(task)
        claim_run(study)
        return study

    return run


def table_of(*studies):
    """The differences by model, metric and runs; and the comparison."""
    found = compare(studies)
    return found.differences.set_index(["model", "metric", "difference"]), found


def numbers(words):
    return [float(number) for number in re.findall(r"[+-]?\d\.\d+", words)]


def test_runs_with_the_same_predictions_differ_by_0_and_the_interval_is_around_0(make):
    table, found = table_of(make("one", [20, 22]), make("two", [20, 22]))
    for words in table["of"]:
        apart, low, high = numbers(words)
        assert apart == 0
        assert low == -high < 0
    assert len(table) == 4 * len(MODELS)
    assert (found.table["one"] == found.table["two"]).all()
    assert found.settings.empty
    assert set(table["better"]) == {"can't tell"}


def test_a_network_that_only_one_run_has_stands_there_alone(make, places, capsys):
    one, file = make("one", [20]), places / "results" / "two" / "networks" / "mine.py"
    file.parent.mkdir(parents=True)
    file.write_text("not loaded: no Python")
    table, found = table_of(one, make("two", [10]))
    assert len(table) == 4 * len(MODELS)
    (row,) = found.table.query("model == 'mine' and metric == 'accuracy'").itertuples()
    assert (row.one, numbers(row.two)[0]) == ("-", 0.95)
    assert found.settings["the setting"].tolist() == ["networks/mine.py"]
    command(["one", "two"])
    assert "mine of two" in page_of(["one", "two"]).read_text()


def test_a_known_difference_has_its_value_and_its_interval(make):
    table, found = table_of(make("one", [40]), make("two", [10]))
    # 30 of 200 images right only in the second run: Agresti and Min's variance, with half an image
    # in each of four kinds, here of each class.
    row = table.loc["custom CNN", "accuracy", "two minus one"]
    apart, low, high = numbers(row["of"])
    assert apart == pytest.approx(0.15)
    share = (32 / 204, 30 / 204)  # differ; differ in the second's favour more than in the first's
    half = 1.96 * np.sqrt((share[0] - share[1] ** 2) / 204)
    assert (low, high) == pytest.approx((0.15 - half, 0.15 + half), abs=0.003)
    assert half == pytest.approx(1.96 * np.sqrt(paired_variance(30, 0, 200)), rel=0.05)
    assert row["better"] == "two, as far as one training run can tell"
    # Of 100 fakes 80 and 95 are found; of 100 reals 20 and 5 are called fake.
    ours = found.table.set_index(["model", "metric"]).loc["VGG16"]
    assert numbers(ours.loc["recall", "one"])[0] == pytest.approx(0.8)
    assert numbers(ours.loc["precision", "two"])[0] == pytest.approx(0.95)
    assert numbers(table.loc["VGG16", "recall", "two minus one"]["of"])[0] == pytest.approx(0.15)


def test_runs_with_other_numbers_of_seeds_are_compared_by_their_means(make):
    table, found = table_of(make("one", [20, 22, 24]), make("two", [30, 34]), make("x", [22]))
    apart, low, high = numbers(table.loc["VGG16", "accuracy", "two minus one"]["of"])
    assert apart == pytest.approx(-0.05)
    # t(2) = 4.3027, s = 0.01, n = 3; t(1) = 12.7062, s = 0.014142, n = 2
    of_seeds = 4.3027**2 * 0.0001 / 3 + 12.7062**2 * 0.0002 / 2
    assert (high - low) / 2 > np.sqrt(of_seeds)
    assert (high - low) / 2 == pytest.approx(np.sqrt(of_seeds), abs=0.005)
    assert numbers(table.loc["VGG16", "accuracy", "x minus one"]["of"])[0] == 0
    assert list(found.about["which seeds"]) == ["0, 1, 2", "0, 1", "0"]


def test_the_interval_by_hand():
    half = np.sqrt(4.302653**2 * 0.0001 / 3 + 1.959964**2 * 0.00002)
    expected = (0.05, 0.05 - half, 0.05 + half)
    assert difference([0.89, 0.90, 0.91], [0.95], 0.00002) == pytest.approx(expected, abs=1e-6)
    assert difference([0.1, 0.9], [0.2, 0.8], 0.0) == (0.0, -1.0, 1.0)  # no more is possible


def test_other_test_images_are_not_paired_and_it_is_said(make):
    one = make("one", [20])
    same = make("same", [20], "resize_filter=nearest")  # prepared anew from the same files
    other = make("other", [20], "images_per_class=100", images="other")
    table, found = table_of(one, same, other)
    rows = (table.loc[("VGG16", "accuracy", f"{run} minus one")] for run in ("same", "other"))
    paired, unpaired = (numbers(row["of"]) for row in rows)
    assert paired[0] == unpaired[0] == 0
    assert unpaired[2] > 3 * paired[2]
    # Two shares of 0.9 of 200 images, each with Agresti and Coull's variance.
    p = (180 + 1.9207) / 203.8415
    assert unpaired[2] == pytest.approx(1.96 * np.sqrt(2 * p * (1 - p) / 203.8415), abs=1e-3)
    assert list(found.about["differences"]) == ["", "paired by image", UNPAIRED]


def test_a_run_whose_images_were_replaced_is_not_compared_by_todays_list(make):
    make("one", [20])
    make("two", [20], images="other")  # the same folder's images, after they were replaced
    with pytest.raises(StudyError, match=r"test/test\.csv has changed: run make report RUN=one"):
        evaluated(["two", "one"])


def test_the_order_of_the_rows_is_no_difference(make, monkeypatch):
    one, two = make("one", [20]), make("two", [30])
    expected, _ = table_of(one, two)
    told = measure.predictions
    monkeypatch.setattr(measure, "predictions", lambda s: told(s).sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(table_of(one, two)[0], expected)


def test_the_settings_that_differ_are_listed_and_no_others(make):
    make("one", [20], generated=True, folder="a")
    make("two", [20], "epochs=3 dropout=0.2", generated=True, folder="a")
    found = compare(evaluated(["one", "two"]))
    rows = found.settings.set_index("the setting")
    assert set(rows.index) == {"dropout", "epochs"}
    assert list(rows.loc["epochs"]) == ["10", "3"]
    assert found.notices[0].startswith("one, two: Generated data: ")


def test_one_positive_class_serves_both_runs(make):
    _, found = table_of(make("one", [20]), make("two", [20], "positive_class=real"))
    assert list(found.table["one"]) == list(found.table["two"])


def test_the_command_prints_the_tables_and_the_page_opens_offline(make, capsys):
    make("one", [20])
    make("two", [10, 20], folder="<img src=x onerror=alert(1)>")
    command(["one", "two"])
    out = capsys.readouterr().out
    path = page_of(["one", "two"])
    assert "two minus one +0.0250" in " ".join(out.split())
    assert out.endswith(f"page: {path}\n")
    page = path.read_text()
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert set(re.findall(r'(?:src|href)="(\w+:[^,"]*)', page)) == {
        "data:",
        "data:image/png;base64",
    }
    assert "<script" not in page
    assert "@media print" in page  # the report's own looks
    assert "custom CNN of two 0.450 at epoch 2" in page  # the text alternative


def test_no_two_comparisons_share_a_page(places):
    given = [("a", "b"), ("b", "a"), ("a-b", "c"), ("a", "b-c"), ("a--b", "c")]
    given += [tuple(f"{'x' * 60}{number}" for number in range(last)) for last in (5, 6)]
    assert len({page_of(runs) for runs in given}) == len(given)
    assert all(len(page_of(runs).name) < 240 for runs in given)


@pytest.mark.parametrize("runs", [[], ["one"], ["one", "one"], ["one", "two", "one"]])
def test_it_takes_two_runs_or_more_each_once(runs):
    with pytest.raises(StudyError, match="compare takes the names of two or more runs, each once"):
        evaluated(runs)


def test_a_run_that_is_missing_or_not_up_to_date_is_one_sentence(make):
    make("one", [20])
    two = make("two", [20])
    with pytest.raises(StudyError, match="is missing: run make report RUN=new"):
        evaluated(["one", "new"])
    with pytest.raises(StudyError, match="run is 'compare', which is no name for a run here"):
        evaluated(["one", "compare"])
    STEPS["train"].of(two, "vgg16", 0).path("model.keras").write_text("trained again")
    with pytest.raises(StudyError, match=r"model\.keras has changed: run make report RUN=two"):
        evaluated(["one", "two"])


def test_pairing_uses_that_both_runs_find_the_same_images_hard():
    random = np.random.default_rng(0)
    truth, hard = random.random(2000) < 0.5, random.random(2000) < 0.2
    first, second = (np.where(hard, ~truth, truth)[None] for _ in range(2))
    alike = variances(truth, first, second)
    assert alike["accuracy"] < 0.05 * 2 * 0.2 * 0.8 / 2000
    easy = np.roll(second, 1)  # other images are hard for it
    assert variances(truth, first, easy)["accuracy"] > 20 * alike["accuracy"]
    assert set(alike) == set(METRICS)


@pytest.mark.parametrize(("seeds", "paired"), [((1, 1), True), ((1, 1), False), ((3, 5), True)])
def test_the_interval_of_a_difference_covers(monkeypatch, seeds, paired):
    """Images are more or less hard for all networks, and seeds differ by 0.01."""
    monkeypatch.setattr(measure, "RESAMPLES", 100)
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
        for metric, gain in differences(*runs, paired).items():
            if metric in held:
                held[metric] += gain.low <= 0.03 <= gain.high
    assert all(count >= 0.91 * 150 for count in held.values()), held
