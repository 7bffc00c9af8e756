"""`fakeface compare`: known differences and their intervals, what differs, and the page."""

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
from fakeface_utils.extension import Extension
from fakeface_utils.metrics import paired_variance
from fakeface_utils.paper import METRICS
from fakeface_utils.step import STEPS
from fakeface_utils.util import StudyError

IMAGES = 200
LABELS = np.arange(IMAGES) % 2 == 1  # fakes and reals by turns


def wrong_first(*counts):
    """The labels, and what networks call the images that get so many of the first ones wrong."""
    return LABELS, np.stack([LABELS ^ (np.arange(IMAGES) < count) for count in counts])


def test_runs_with_the_same_predictions_differ_by_0_and_the_interval_is_around_0():
    for apart, low, high in differences(*[wrong_first(20, 22)] * 2, True).values():
        assert apart == 0
        assert low == -high < 0


def test_a_known_difference_has_its_value_and_its_interval():
    found = differences(wrong_first(40), wrong_first(10), True)
    # 30 of 200 images right only in the second run: Agresti and Min's variance, with half an image
    # in each of four kinds, here of each class.
    share = (32 / 204, 30 / 204)  # differ; differ in the second's favour more than in the first's
    half = 1.96 * np.sqrt((share[0] - share[1] ** 2) / 204)
    assert found["accuracy"] == pytest.approx((0.15, 0.15 - half, 0.15 + half), abs=0.003)
    assert half == pytest.approx(1.96 * np.sqrt(paired_variance(30, 0, 200)), rel=0.05)
    # Of 100 fakes 80 and 95 are found; of 100 reals 20 and 5 are called fake.
    assert [found[name].mean for name in ("recall", "precision")] == pytest.approx([0.15, 0.15])


def test_runs_with_other_numbers_of_seeds_are_compared_by_their_means():
    apart, low, high = differences(wrong_first(20, 22, 24), wrong_first(30, 34), True)["accuracy"]
    assert apart == pytest.approx(-0.05)
    # t(2) = 4.3027, s = 0.01, n = 3; t(1) = 12.7062, s = 0.014142, n = 2
    of_seeds = 4.3027**2 * 0.0001 / 3 + 12.7062**2 * 0.0002 / 2
    assert (high - low) / 2 > np.sqrt(of_seeds)
    assert (high - low) / 2 == pytest.approx(np.sqrt(of_seeds), abs=0.005)


def test_of_other_images_both_runs_variances_add_up():
    paired, apart = (differences(*[wrong_first(20)] * 2, same)["accuracy"] for same in (1, 0))
    assert paired.mean == apart.mean == 0
    assert apart.high > 3 * paired.high
    # Two shares of 0.9 of 200 images, each with Agresti and Coull's variance.
    p = (180 + 1.9207) / 203.8415
    assert apart.high == pytest.approx(1.96 * np.sqrt(2 * p * (1 - p) / 203.8415), abs=1e-3)


def test_the_interval_by_hand():
    half = np.sqrt(4.302653**2 * 0.0001 / 3 + 1.959964**2 * 0.00002)
    expected = (0.05, 0.05 - half, 0.05 + half)
    assert difference([0.89, 0.90, 0.91], [0.95], 0.00002) == pytest.approx(expected, abs=1e-6)
    assert difference([0.1, 0.9], [0.2, 0.8], 0.0) == (0.0, -1.0, 1.0)  # no more is possible


# Finished runs.


def knows(model, table):
    """Outputs of a network that is always right."""
    return 0.1 + 0.8 * table["label"]


def test_runs_are_told_apart_by_their_settings_and_paired_by_their_test_images(finished):
    one = finished(run="None", seeds=2, p_fake=knows)  # a run's name is never a number or nothing
    more = "resize_filter=nearest epochs=3 vgg16_weights=random"  # prepared anew, the same files
    two = finished(run="1e3", overrides=more)
    few = finished(run="001", overrides="images_per_class=3 positive_class=real", p_fake=knows)
    found = compare([one, two, few])
    rows = found.settings.set_index("the setting")
    settings = ["resize_filter", "epochs", "vgg16_weights", "images_per_class", "positive_class"]
    assert set(rows.index) == {*settings}
    assert rows.loc["epochs"].to_dict() == {"None": "10", "1e3": "3", "001": "10"}
    assert list(found.about["differences"]) == ["", "paired by image", UNPAIRED]
    assert list(found.about["which seeds"]) == ["0, 1", "0", "0"]
    assert any(notice.startswith("1e3: VGG16 has random weights") for notice in found.notices)
    assert list(found.table)[2:] == ["None", "1e3", "001"]
    assert {text[:6] for text in (*found.table["None"], *found.table["001"])} == {"1.0000"}
    table = found.differences.set_index(["model", "metric", "difference"])
    assert table.loc["VGG16", "accuracy", "001 minus None"]["better"] == "can't tell"
    told = table.loc["VGG16", "accuracy", "1e3 minus None"]
    assert told["of"].startswith("-")
    single = "None, as far as one training run can tell"
    assert told["better"] in (single, "can't tell")


def test_a_run_without_leaking_images_is_paired_with_the_run_that_has_them(finished, places):
    (places / "leaks.csv").write_text("path\na/b/train/fake/0.jpg\n")
    clean = finished(run="clean", overrides=f"leave_out={places / 'leaks.csv'}")
    found = compare([finished(run="whole"), clean])
    assert list(found.about["differences"]) == ["", "paired by image"]
    assert list(found.about["training images"]) == ["8", "7"]
    assert found.settings["the setting"].tolist() == ["leave_out"]


def test_a_network_that_only_one_run_has_stands_there_alone(finished, places):
    file = places / "results" / "two" / "networks" / "mine.py"
    file.parent.mkdir(parents=True)
    file.write_text("no Python: it is loaded to be trained, and never to be shown")
    found = compare([finished(run="one"), finished(run="two")])
    assert len(found.differences) == 8
    assert found.settings["the setting"].tolist() == ["networks/mine.py"]
    own = found.table.set_index("model").loc["mine"]
    assert set(own["one"]) == {"-"}
    assert own["two"].str.match(r"[01]\.\d{4}").all()
    command(["one", "two"])
    assert "mine of two" in page_of(["one", "two"]).read_text()


def test_runs_are_compared_on_further_images_that_both_were_asked_about(finished, monkeypatch):
    """Cropped: the first run finds 1 of 2 fakes, the second both, and one image only it saw."""

    def answers(study):
        seen = {"a": (0, 0.1, 0.1), "b": (1, 0.2, 0.8), "c": (1, 0.9, 0.9)}
        rows = [(path, label, after[study.run == "two"]) for path, (label, *after) in seen.items()]
        rows += [("only here", 0, 0.9)] * (study.run == "two")
        table = pd.DataFrame(rows, columns=["path", "label", "p_fake"])
        named = {"Cropped": table, "Photographs": table[:1]} | (
            {} if len(rows) > 3 else {"x": table}
        )
        return {k: of.assign(model="vgg16", seed=study.seeds[0]) for k, of in named.items()}

    asked = Extension("asked", "Asked", answers=answers)
    left = Extension("left", "Left", missing=lambda study: "not of two" * (study.run == "two"))
    monkeypatch.setattr(measure, "extensions", lambda: {"asked": asked, "left": left})
    one, two = finished(run="one"), finished(run="two")
    cropped, reals = compare([one, two]).further.to_dict("records")
    assert (cropped["images"], cropped["model"], cropped["how many"]) == ("Cropped", "VGG16", 3)
    assert (cropped["one"], cropped["two"]) == ("0.6667", "1.0000")
    assert cropped["of accuracy"].startswith("+0.3333 (")
    assert cropped["of the fakes found"].startswith("+0.5000 (")
    assert (reals["images"], reals["how many"], reals["of the fakes found"]) == (
        "Photographs",
        1,
        "-",
    )
    command(["one", "two"])
    assert "On further images" in page_of(["one", "two"]).read_text()


def test_the_command_prints_the_tables_and_the_page_opens_offline(finished, faces, capsys):
    odd = faces.rename(faces.with_name("<img src=x onerror=alert(1)>"))
    finished(run="one", data=odd, p_fake=lambda model, table: 1 - knows(model, table))
    finished(run="two", data=odd, p_fake=knows)
    command(["one", "two"])
    out = capsys.readouterr().out
    path = page_of(["one", "two"])
    assert "two minus one +1.0000" in " ".join(out.split())
    assert "two, as far as one training run can tell" in out
    assert "Settings that differ\nnone" in out
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
    assert re.search(r"custom CNN of two 0\.\d{3} at epoch \d", page)  # the text alternative


def test_no_two_comparisons_share_a_page(places):
    given = [("a", "b"), ("b", "a"), ("a-b", "c"), ("a", "b-c"), ("a--b", "c")]
    given += [tuple(f"{'x' * 60}{number}" for number in range(last)) for last in (5, 6)]
    assert len({page_of(runs) for runs in given}) == len(given)
    assert all(len(page_of(runs).name) < 240 for runs in given)


@pytest.mark.parametrize("runs", [[], ["one"], ["one", "one"], ["one", "two", "one"]])
def test_it_takes_two_runs_or_more_each_once(runs):
    with pytest.raises(StudyError, match="compare takes the names of two or more runs, each once"):
        evaluated(runs)


def test_a_run_that_is_missing_or_not_up_to_date_is_one_sentence(finished):
    two = finished(run="two")
    with pytest.raises(StudyError, match=r"there is no trained run 'new' .*: two"):
        evaluated(["two", "new"])
    with pytest.raises(StudyError, match="run is 'compare', which is no name for a run here"):
        evaluated(["two", "compare"])
    STEPS["train"].of(two, "vgg16", 0).path("model.keras").write_text("trained again")
    with pytest.raises(StudyError, match=r"model\.keras has changed: run make report RUN=two"):
        evaluated(["two", "one"])


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
