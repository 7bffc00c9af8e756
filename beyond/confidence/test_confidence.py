"""Whether p(fake) means what it says; every file of one's own gets an answer or a reason."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from beyond.confidence import EXTENSION, ask, measure, show
from beyond.confidence.ask import Network, answer, given_files, open_network, resaved
from beyond.confidence.export import export
from beyond.confidence.measure import (
    best_threshold,
    calibration,
    calibration_errors,
    expected_of_perfect,
    fit_temperature,
    limits,
    pairs,
    reliability,
    tempered,
    word,
)
from conftest import done, enter, write_set
from fakeface_utils.models import MODELS, Model
from fakeface_utils.run import claim_run, load_study
from fakeface_utils.step import read_file
from fakeface_utils.util import ROOT, StudyError, sha256

FIRST = next(iter(MODELS))
TINY = (
    "image_size=32 epochs=1 custom_filters=2,2,2 custom_dense=4 vgg16_dense=4 batch_size=8 "
    "vgg16_weights=random"
)


def outputs(count, temperature=1.0, seed=0):
    """Labels, and what a model says whose logits are too large by a factor."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, count)
    labels = (rng.random(count) < expit(logits)).astype(int)
    return labels, expit(logits * temperature)


def ece(labels, p_fake):
    return calibration_errors(labels[None].astype(float), p_fake)[0]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 4.0])
def test_a_temperature_known_by_construction_is_given_back(temperature):
    labels, p_fake = outputs(20_000, temperature)
    fitted = fit_temperature(labels, p_fake)
    assert fitted == pytest.approx(temperature, rel=0.05)
    after = tempered(p_fake, fitted)
    assert roc_auc_score(labels, after) == pytest.approx(roc_auc_score(labels, p_fake), abs=1e-5)
    np.testing.assert_array_equal(after >= 0.5, p_fake >= 0.5)
    assert tempered(np.array([0.0, 1.0]), 2.0) == pytest.approx([0.000316, 0.999684], abs=1e-6)


def test_the_calibration_error_of_a_known_example():
    # Two bins: 10 outputs of 0.9 of which 5 are fakes, 30 of 0.1 of which 3 are.
    p_fake = np.repeat([0.9, 0.1], [10, 30])
    labels = np.repeat([1, 0, 1, 0], [5, 5, 3, 27])
    assert ece(labels, p_fake) == pytest.approx(0.4 * 10 / 40)
    rows = reliability(labels, p_fake)
    assert rows["count"].tolist() == [30, 10]
    assert rows["fakes"].tolist() == [0.1, 0.5]
    assert (rows["low"] < rows["fakes"]).all()
    twice = reliability(np.tile(labels, 2), np.tile(p_fake, 2), seeds=2)
    assert twice["count"].tolist() == [60, 20]  # two seeds see the same images: no surer
    assert twice[["low", "high"]].equals(rows[["low", "high"]])


def test_a_perfect_model_of_few_images_has_an_error_by_chance():
    few, many = (expected_of_perfect(outputs(count)[1]) for count in (200, 20_000))
    assert 0.05 < few[0] < few[1]
    assert many[1] < 0.02
    drawn = [outputs(600, seed=seed) for seed in range(40)]
    within = [ece(*one) <= expected_of_perfect(one[1])[1] for one in drawn]
    assert np.mean(within) > 0.85  # 97.5 % of them
    sure = outputs(600, temperature=4)
    assert ece(*sure) > 2 * expected_of_perfect(sure[1])[1]


def test_thresholds_are_where_the_errors_are_five_percent():
    labels = np.repeat([0, 1], 100)
    p_fake = np.concatenate([np.arange(100) / 200, 0.3 + np.arange(100) / 200])
    accused, missed = limits(labels, p_fake)
    assert (p_fake[labels == 0] > accused).mean() == pytest.approx(0.04)
    assert (p_fake[labels == 1] < missed).mean() == pytest.approx(0.04)
    answers = [word(p, accused, missed) for p in (0.1, 0.4, 0.9)]
    assert answers == ["real", "unsure", "fake"]
    assert word(accused, accused, missed) == word(missed, accused, missed) == "unsure"


@pytest.mark.parametrize(("reals", "expected"), [(0.0, 0.5), (0.6, 0.695)])
def test_two_limits_that_cross_become_the_one_nearest_to_half(reals, expected):
    """A network so good that one threshold has both errors below 5 %."""
    labels = np.repeat([0, 1], 101)
    p_fake = np.concatenate([reals + np.linspace(0, 0.1, 101), 0.9 + np.linspace(0, 0.1, 101)])
    accused, missed = limits(labels, p_fake)
    assert accused == missed == pytest.approx(expected)
    assert (p_fake[labels == 0] > accused).mean() <= 0.05
    assert (p_fake[labels == 1] < missed).mean() <= 0.05


def test_the_best_threshold_separates_what_can_be_separated():
    labels = np.array([0, 0, 1, 1])
    assert best_threshold(labels, np.array([0.1, 0.2, 0.3, 0.9])) == pytest.approx(0.25)
    assert best_threshold(labels, np.array([0.6, 0.7, 0.8, 0.9])) == pytest.approx(0.75)
    backwards = best_threshold(labels, np.array([0.9, 0.8, 0.2, 0.1]))
    assert 0 <= backwards <= 1  # of no use, but a number


def measured(tmp_path, monkeypatch, test_temperature=3.0):
    """Calibration of two seeds whose first network is too sure by 3 and whose last one is right."""
    splits = {}
    for split, seed in (("valid", 0), ("test", 1)):
        tables = []
        for model, factor in ((FIRST, 3.0), (list(MODELS)[-1], 1.0)):
            wrong = test_temperature if (split, model) == ("test", FIRST) else factor
            for number in (0, 1):
                labels, p_fake = outputs(4000, wrong, seed=10 * number + seed)
                of = {"model": model, "seed": number, "label": labels, "p_fake": p_fake}
                tables.append(pd.DataFrame(of))
        splits[split] = pd.concat(tables)
    monkeypatch.setattr(measure, "predictions", lambda study, split="test": splits[split])
    calibration.work(load_study(seeds=2), out=tmp_path)
    return json.loads((tmp_path / "calibration.json").read_text())


def test_the_verdict_is_made_from_the_numbers(places, tmp_path, monkeypatch):
    found = measured(tmp_path, monkeypatch)
    assert list(found[FIRST]) == ["0", "1"]
    temperatures = [seed["temperature"] for seed in found[FIRST].values()]
    assert temperatures == pytest.approx([3, 3], rel=0.15)
    before, after, right, _ = show.scores_table(found).to_dict("records")
    assert (before["verdict"], after["verdict"]) == ("too sure", "can be believed")
    assert right["verdict"] == "can be believed"
    assert before["ece"] > 5 * after["ece"]


def test_the_test_set_decides_no_threshold_and_no_temperature(places, tmp_path, monkeypatch):
    one, other = (measured(tmp_path, monkeypatch, wrong)[FIRST]["0"] for wrong in (3.0, 0.2))
    fitted = ("temperature", "threshold", "accused", "missed")
    assert [one[name] for name in fitted] == [other[name] for name in fitted]
    assert one["before"] != other["before"]


@pytest.mark.parametrize("profile", ["demo", "laptop"])
def test_the_examples_are_still_shown(profile):
    found = read_file(ROOT / "results" / "examples" / profile / "confidence" / "calibration.json")
    assert len(show.scores_table(found)) == 4
    assert set(found) <= set(MODELS)


# Errors.


def test_mcnemar_by_hand_and_as_published(monkeypatch):
    # Growth of tubercle bacilli on two media (Armitage and Berry 1994, p. 127): 12 against 2 of 50
    # specimens, exact P = 0.0129. By hand: 2 * (1 + 14 + 91) / 2**14, and 2 * (1 + 10) / 2**10.
    counts = [(20, 12, 2, 16), (20, 2, 12, 16), (30, 9, 1, 10), (30, 3, 3, 14), (25, 0, 0, 25)]
    right = {
        name: [np.repeat(kinds, numbers) == 1 for numbers in counts]
        for name, kinds in (("a", (1, 1, 0, 0)), ("b", (1, 0, 1, 0)), ("c", (1, 0, 1, 0)))
    }
    monkeypatch.setattr(measure, "right", lambda study: right)
    table = pairs(load_study(seeds=5))
    assert [*zip(table["one"], table["other"], table["seed"], strict=True)] == [
        (*two, seed) for two in (("a", "b"), ("a", "c"), ("b", "c")) for seed in range(5)
    ]
    kinds = ["both", "only_one", "only_other", "neither"]
    assert [tuple(row) for row in table[kinds].head().to_numpy()] == counts
    expected = [212 / 2**14, 212 / 2**14, 22 / 2**10, 1, 1]
    assert table["p_value"].head().tolist() == pytest.approx(expected, rel=1e-9)
    assert round(expected[0], 4) == 0.0129


def test_a_network_more_is_in_the_figures_of_errors(monkeypatch):
    monkeypatch.setitem(MODELS, "third", Model("third", "02_custom_cnn"))
    counted = [{"model": m, "tp": 40, "fn": 10, "fp": 5, "tn": 45} for m in MODELS] * 2
    said = [(m, s, y, 0.2 + 0.3 * y) for m in MODELS for s in (0, 1) for y in (0, 1)]
    said = pd.DataFrame(said, columns=["model", "seed", "label", "p_fake"])
    monkeypatch.setattr(show, "by_seed", lambda study, positive: pd.DataFrame(counted))
    monkeypatch.setattr(show, "predictions", lambda study: said)
    monkeypatch.setattr("fakeface_utils.figures.mark", lambda study: "")
    matrices, words = show.confusion_matrices(load_study("paper", seeds=2))
    assert [axis.get_title("left") for axis in matrices.axes] == ["custom CNN", "VGG16", "third"]
    assert [text.get_text() for text in matrices.axes[2].texts] == [
        "80\n80.0%", "20\n20.0%", "10\n10.0%", "90\n90.0%"
    ]  # fmt: skip
    assert "third: 80 fakes found, 20 missed, 90 reals kept, 10 flagged as fake" in words
    curve, words = show.roc(load_study("paper", seeds=2))
    assert len(curve.axes[0].lines) == 2 * 3 + 1
    assert words.endswith("custom CNN 1.000, VGG16 1.000, third 1.000.")


# A person's own files.


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run 'mine', trained on noise."""
    root = tmp_path_factory.mktemp("mine")
    rng = np.random.default_rng(0)

    def noise(*_):
        return PIL.Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))

    write_set(root / "noise", 8, noise)
    with pytest.MonkeyPatch.context() as patch:
        enter(patch, root)
        study = load_study(data=str(root / "noise"), run="mine", overrides=TINY)
        done(*EXTENSION.tasks(study))
        claim_run(study)
    return root


@pytest.fixture
def run(trained, monkeypatch):
    """The study of the run 'mine'."""
    enter(monkeypatch, trained)
    return load_study(run="mine")


def face(folder, name, size=(32, 32), seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(folder / name)
    return folder / name


def predict(paths, **options):
    ask.predict([str(path) for path in paths], "mine", FIRST, **options)


def rows(text):
    """The printed rows by file name: what stands before it."""
    lines = [line for line in text.split("\n\n", 1)[1].splitlines()[1:] if "note on" not in line]
    return {line.split()[-1]: line.split()[:-1] for line in lines if ": it can't" not in line}


def fix_answer(monkeypatch, *values):
    """The network gives these outputs to a file and its re-savings; the sizes of its batches."""
    import keras

    sizes = []

    def predict_on_batch(self, batch):
        sizes.append(len(batch))
        return np.resize(np.array(values), (len(batch), 1))

    monkeypatch.setattr(keras.Model, "predict_on_batch", predict_on_batch)
    return sizes


def test_the_section_and_its_figure(run):
    assert not EXTENSION.why_stale(run)
    page = EXTENSION.section(run).data
    told = [page.count(f'alt="{word}') for word in ("Confusion", "ROC", "Reliability")]
    assert (told, page.count("<img ")) == ([1, 1, 1], 3)
    assert page.count('<figure class="half">') == 4  # two rows, both filled
    assert "McNemar" in page
    assert all(model.title in page for model in MODELS.values())
    assert "with the temperature" in EXTENSION.summary(run)
    tested = {one.args for one in calibration.of(run).before() if one.name.startswith("predict ")}
    assert tested == {(model, 0) for model in MODELS}


def test_files_are_asked_about_in_bounded_batches_and_one_unreadable_stops_no_other(
    run, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(ask, "AT_ONCE", 4)
    paths = [face(tmp_path, f"{n}.png", seed=n) for n in range(9)]
    paths[2].write_text("no image")
    paths[8].write_bytes(paths[8].read_bytes()[:500])
    table, kept = tmp_path / "t.csv", tmp_path / "t.json"
    with pytest.raises(StudyError, match=r"^2 of 9 files can't be read"):
        predict(paths, csv=table, json=kept)
    printed = capsys.readouterr().out
    assert f"{paths[2]}: it can't be read as an image (not an image)" in printed
    as_json, as_csv = json.loads(kept.read_text()), pd.read_csv(table).set_index("file")
    assert as_json["learned_from"] == "16 images of noise at 32 px"
    assert [row["file"] for row in as_json["answers"]] == list(map(str, paths))
    assert as_json["answers"][2]["p_fake"] is None
    assert as_csv.loc[str(paths[8]), "notes"].startswith("it can't be read as an image (")
    assert as_csv["p_fake"].isna().sum() == 2
    fixed = calibration.of(run).read()[FIRST]["0"]
    from fakeface_utils.training import load

    network = load(run, FIRST, 0)
    for number in (0, 1, 3, 4, 5, 6, 7):
        pixels = np.asarray(PIL.Image.open(paths[number]))[None]
        raw = float(network.predict_on_batch(pixels)[0, 0])
        row = as_csv.loc[str(paths[number])]
        assert row["p_fake_raw"] == pytest.approx(raw, abs=1e-5)
        assert row["p_fake"] == pytest.approx(float(tempered(raw, fixed["temperature"])), abs=1e-5)
        said = word(row["p_fake_raw"], fixed["accused"], fixed["missed"])
        assert (row["word"], row["width"], row["height"]) == (said, 32, 32)
        assert rows(printed)[str(paths[number])] == [f"{row['p_fake']:.3f}", said]
    predict(paths[:1], csv=table, json=kept)  # earlier tables of ours may be replaced
    assert len(pd.read_csv(table)) == len(json.loads(kept.read_text())["answers"]) == 1


LIMITED = Network(
    file=Path("x"),
    run="mine",
    model=FIRST,
    seed=0,
    learned_from="16 images of noise at 32 px",
    generated=False,
    size=32,
    resize_filter="bilinear",
    temperature=2.0,
    accused=0.6,
    missed=0.4,
)
DRAWN = LIMITED._replace(generated=True)
SEEN = {"width": 32, "height": 32, "generated": False}


@pytest.mark.parametrize(
    ("raw", "said"), [(0.61, "fake"), (0.59, "unsure"), (0.41, "unsure"), (0.39, "real")]
)
def test_the_words_rest_on_the_limits_of_the_validation_images(raw, said):
    row = answer(LIMITED, [raw], SEEN)
    assert (row["word"], row["p_fake"], row["notes"]) == (said, float(tempered(raw, 2)), [])


def test_every_answer_says_who_gives_it_and_that_it_is_no_proof():
    first, second, third = LIMITED.header().splitlines()
    title = next(iter(MODELS.values())).title
    assert first == f"run mine, {title} seed 0: learned from 16 images of noise at 32 px"
    assert second.startswith("No proof: ")
    # logit(0.6) / 2 and logit(0.4) / 2 are +-0.2027: 0.551 and 0.449
    assert "fake above 0.551, real below 0.449, between them unsure: at most 5 %" in third


def test_a_network_of_drawings_gives_no_answer_to_anything_else():
    row = answer(DRAWN, [0.9, 0.9], SEEN | {"width": 40, "height": 20})
    assert (row["word"], row["stability"]) == ("no answer", None)
    assert row["p_fake"] > 0
    assert row["notes"] == [
        "not square: squeezed into a square",
        "smaller than the network's 32 pixels: enlarged",
        "not drawn by the demo, and this network learned from its drawings only",
    ]
    drawn = answer(DRAWN, [0.9, 0.9], SEEN | {"generated": True})
    assert (drawn["word"], drawn["stability"], drawn["notes"]) == ("fake", 1, [])
    (note,) = answer(LIMITED, [0.9], SEEN | {"generated": True})["notes"]
    assert note == "drawn by the demo, and this network learned from photographs"


def test_stability_is_the_share_of_re_savings_with_the_same_word(
    run, tmp_path, monkeypatch, capsys
):
    fixed = {"temperature": 1.0, "accused": 0.6, "missed": 0.4}
    given = SimpleNamespace(why_stale=lambda: "", read=lambda: {FIRST: {"0": fixed}})
    monkeypatch.setattr(ask, "calibration", SimpleNamespace(of=lambda study: given))
    sizes = fix_answer(monkeypatch, 0.9, 0.8, 0.7, 0.61, 0.5, 0.1, 0.9, 0.9, 0.9)
    paths = [face(tmp_path, f"{n}.png", (40, 20)) for n in range(7)]
    predict(paths, csv=tmp_path / "t.csv", stability=True)
    assert sizes == [27, 27, 9]  # re-savings bound the batch too
    assert list(pd.read_csv(tmp_path / "t.csv")["stability"]) == [0.75] * 7
    printed = capsys.readouterr().out
    assert printed.count("fake       6 of 8 ") == 7
    assert "note on 7 of 7 files: not square: squeezed into a square\n" in printed
    fix_answer(monkeypatch, np.nan)
    with pytest.raises(StudyError, match="no finite numbers"):
        predict(paths)


def test_the_eight_re_savings_are_what_they_are_called():
    ramp = np.linspace(0, 255, 40 * 60 * 3).astype(np.uint8).reshape(40, 60, 3)
    noise = np.random.default_rng(0).integers(0, 60, ramp.shape, dtype=np.uint8)
    image = PIL.Image.fromarray(ramp // 2 + noise)
    versions = list(resaved(image))
    assert len(versions) == ask.RESAVINGS == 8
    assert [v.size for v in versions] == [(60, 40)] * 5 + [(45, 30), (30, 20), (59, 39)]
    original = np.asarray(image, dtype=int)
    losses = [np.abs(np.asarray(v, dtype=int) - original).mean() for v in versions[:5]]
    assert losses == sorted(losses)
    assert 0 < losses[0] < losses[-1]
    assert (np.asarray(versions[-1]) == original[1:, 1:]).all()
    assert [v.size for v in resaved(PIL.Image.new("RGB", (1, 1)))] == [(1, 1)] * 8


def test_folders_patterns_and_names_are_the_files_they_stand_for(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = ("a/1.jpg", "a/b/2.PNG", "a/b/3.txt", "a/.4.jpg", "a/.ipynb_checkpoints/1.jpg",
             "c[1].jpg", "c1.jpg", "d.data")  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def given(*names):
        return [path.as_posix() for path in given_files(names)]

    assert given("a") == ["a/1.jpg", "a/b/2.PNG"]
    said = "not read in a: 1 .4.jpg; 1 .txt; 1 in .ipynb_checkpoints\n"
    assert capsys.readouterr().out == said
    assert given("a/**/*") == ["a/1.jpg", "a/b/2.PNG"]
    assert given("*") == ["a/1.jpg", "a/b/2.PNG", "c1.jpg", "c[1].jpg"]
    assert given("c[1].jpg") == ["c[1].jpg"]  # it exists, so it is no pattern
    assert given("c[!2].jpg") == ["c1.jpg"]
    assert given("d.data", "c1.jpg", "c?.jpg", "d.data") == ["d.data", "c1.jpg"]
    (tmp_path / "empty").mkdir()
    for name in ("empty", "x*.jpg"):
        with pytest.raises(StudyError, match=r"there is no image \(.jpg, .*\) in "):
            given(name)


def test_file_names_of_answers_are_escaped(run, tmp_path, capsys):
    predict([face(tmp_path, "\x1b[2J.png")], csv=tmp_path / "t.csv")
    assert pd.read_csv(tmp_path / "t.csv")["file"][0] == f"{tmp_path}/\\x1b[2J.png"
    assert f"{tmp_path}/\\x1b[2J.png" in rows(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        *((f"{name}.csv", "csv") for name in ("folder", "theirs", "link", "pipe")),
        *((name, "csv") for name in ("photo.jpg", "old.zip", "new.zip", "new.csv.gz", "t.json")),
        *((name, "json") for name in ("theirs.json", "ours.csv", "t.txt")),
    ],
)
def test_a_table_takes_nothing_elses_place(tmp_path, name, option):
    (tmp_path / "folder.csv").mkdir()
    theirs = [tmp_path / f"{one}" for one in ("photo.jpg", "theirs.csv", "theirs.json", "old.zip")]
    for path in theirs:
        path.write_text("precious")
    (tmp_path / "ours.csv").write_text(",".join(ask.COLUMNS) + "\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "ours.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(StudyError, match="is no place for a table"):
        predict([face(tmp_path, "x.png")], **{option: tmp_path / name})
    assert {path.read_text() for path in theirs} == {"precious"}
    assert (tmp_path / "link.csv").is_symlink()


@pytest.mark.parametrize("part", ["calibration.json", "model.keras", "predictions.csv"])
def test_what_the_run_did_not_leave_so_is_not_believed(run, tmp_path, part):
    (path,) = [path for path in run.results.rglob(part) if FIRST in str(path) or "json" in part]
    before = path.read_bytes()
    try:
        path.write_bytes(before.replace(b'"temperature": ', b'"temperature": 1') + b"\n")
        with pytest.raises(StudyError) as caught:
            predict([face(tmp_path, "x.png")])
    finally:
        path.write_bytes(before)
    assert part in str(caught.value)
    assert "run make report RUN=mine SEEDS=0," in str(caught.value)
    predict([tmp_path / "x.png"])


# A network to hand on.


@pytest.fixture
def folder(run, tmp_path):
    """The first network, exported; its run can't be seen any more."""
    export(tmp_path / "handed", "mine", FIRST)
    with pytest.raises(StudyError, match="is there already: name a new folder"):
        export(tmp_path / "handed", "mine", FIRST)
    return tmp_path / "handed"


def test_an_exported_network_says_elsewhere_what_it_says_at_home(folder, tmp_path, monkeypatch):
    paths = [face(tmp_path, f"{n}.png", (40, 40), n) for n in range(3)]
    predict(paths, csv=tmp_path / "home.csv")
    enter(monkeypatch, tmp_path / "elsewhere")
    predict(paths, csv=tmp_path / "away.csv", folder=folder)
    assert (tmp_path / "home.csv").read_bytes() == (tmp_path / "away.csv").read_bytes()
    sums = [line.split("  ") for line in (folder / "SHA256SUMS").read_text().splitlines()]
    assert {"README.md", "model.json", "model.keras"} <= {name for _, name in sums}
    assert all(sha256((folder / name).read_bytes()) == digest for digest, name in sums)
    card = (folder / "README.md").read_text()
    assert "| accuracy | " in card
    assert "16 images of noise at 32 px" in card
    assert not re.search(r"\{\w*\}", card)


@pytest.mark.parametrize(
    ("name", "text"),
    [("model.keras", "x"), ("model.json", "{}"), ("SHA256SUMS", "x"), ("SHA256SUMS", "")],
)
def test_a_folder_that_is_not_whole_is_refused(folder, tmp_path, name, text):
    (folder / name).write_text(text)
    with pytest.raises(StudyError, match="isn't a whole folder of fakeface export"):
        predict([face(tmp_path, "a.png")], folder=folder)


def test_a_file_that_is_no_network_is_refused_in_a_sentence(folder, tmp_path):
    (file := tmp_path / "model.keras").write_text("x")
    with pytest.raises(StudyError, match=r"damaged or not ours \(.*\): get its folder again"):
        ask.exported(folder)._replace(file=file).load()


@pytest.mark.slow
def test_the_onnx_file_says_the_same(folder, tmp_path):
    pytest.importorskip("tf2onnx")
    session = pytest.importorskip("onnxruntime").InferenceSession(folder / "model.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    (there,) = session.run(None, {session.get_inputs()[0].name: pixels})
    here = ask.exported(folder).load().predict(pixels, verbose=0)
    np.testing.assert_allclose(there, here, atol=1e-5)


@pytest.mark.parametrize(("seeds", "asked", "taken"), [([9, 7], None, 9), ([9, 7], 7, 7)])
def test_no_seed_is_the_runs_first(run, monkeypatch, seeds, asked, taken):
    study = run.model_copy(update={"seeds": tuple(seeds)})
    fixed = {"temperature": 1.0, "accused": 0.6, "missed": 0.4}
    known = {FIRST: {str(seed): fixed | {"accused": seed} for seed in seeds}}
    given = SimpleNamespace(why_stale=lambda: "", read=lambda: known)
    monkeypatch.setattr(ask, "calibration", SimpleNamespace(of=lambda study: given))
    monkeypatch.setattr(ask, "open_finished", lambda run, model: study)
    network = open_network("mine", FIRST, asked)
    assert (network.seed, network.accused) == (taken, taken)


@pytest.mark.parametrize(("seeds", "asked", "command"), [([7], 8, "7,8,"), ([2, 0], 1, "0,1,2,")])
def test_the_command_for_a_missing_seed_trains_it_and_keeps_the_others(
    run, monkeypatch, seeds, asked, command
):
    study = run.model_copy(update={"seeds": tuple(seeds)})
    monkeypatch.setattr(ask, "open_finished", lambda run, model: study)
    with pytest.raises(StudyError, match=f"has no seed {asked}: run make report .*={command}$"):
        open_network("mine", FIRST, asked)
    assert set(load_study(seeds=command).seeds) == {*seeds, asked}


CHECKED = """
import json, sys
sys.modules["keras"] = None  # its import would fail
from fakeface_utils.cli import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["fakeface", "predict", *words]
    try:
        main()
    except SystemExit as end:  # with a sentence for standard error, and code 1
        print(json.dumps(end.code))
"""
MISTAKES = {
    "there is no trained run 'new' (there are: mine)": ["x.png", "--run", "new"],
    "run is '\\x1b[2J': use letters": ["x.png", "--run", "\x1b[2J"],
    "unknown model 'vgg19'": ["x.png", "--run", "mine", "--model", "vgg19"],
    "there is no file or folder y.png": ["y.png"],
    "there is no file or folder xxx": ["x" * 300],
    "there is no file or folder pipe.png": ["pipe.png"],
    "x.png is no place for a table": ["x.png", "--csv", "x.png"],
}


def test_the_run_and_the_files_are_checked_before_keras_is_loaded(run, tmp_path):
    face(tmp_path, "x.png")
    os.mkfifo(tmp_path / "pipe.png")
    command = [sys.executable, "-c", CHECKED, json.dumps([*MISTAKES.values()])]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    said = subprocess.check_output(command, cwd=tmp_path, env=environment, text=True)
    for sentence, line in zip(MISTAKES, map(json.loads, said.splitlines()), strict=True):
        assert line.startswith("error: ")
        assert sentence in line
        assert "\n" not in line
