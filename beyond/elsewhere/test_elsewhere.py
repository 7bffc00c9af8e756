"""Other images: sets by their folders, known scores, the codec as a label, and what is left out."""

import io
import os
import shutil
import zipfile
from functools import partial

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from sklearn.metrics import roc_auc_score

from beyond.elsewhere import EXTENSION, evaluate, measure, others, show
from beyond.elsewhere.measure import SCORES, elsewhere, score
from beyond.elsewhere.others import GENERATORS, draw_others
from beyond.elsewhere.sets import (
    file_format,
    formats_table,
    list_sets,
    qualities,
    read_member,
    warnings,
)
from conftest import done
from fakeface_utils import training
from fakeface_utils.demo.camera import to_jpeg
from fakeface_utils.image_files import as_input, decode, open_images
from fakeface_utils.models import MODELS
from fakeface_utils.run import load_study
from fakeface_utils.step import read_file
from fakeface_utils.trained import train
from fakeface_utils.util import ROOT, StudyError

SIZE = 32


class Made:
    """A made-up `Detectors`: p_fake of images by a function of (N, size, size, 3) uint8."""

    size = SIZE

    def __init__(self, *answers):
        self.answers = answers
        self.columns = [("custom_cnn", seed) for seed in range(len(answers))]

    def p_fake(self, images):
        return np.stack([answer(images) for answer in self.answers], axis=1)


class Bar:
    def update(self, count):
        pass


def brightness(images):
    """A perfect detector of `folder_of`'s fakes, which are brighter."""
    return np.where(images.mean((1, 2, 3)) > 128, 0.9, 0.1)


def picture(fake, number=0, side=40):
    rng = np.random.default_rng([number, fake])
    return PIL.Image.fromarray(rng.integers(0, 100, (side, side, 3), np.uint8) + 150 * fake)


def folder_of(root, sets, count=4, real="real", fake="fake"):
    """Reals and fakes of each set, below the root."""
    for place, name in enumerate(sets):
        for label, kind in enumerate((real, fake)):
            folder = root / name / kind
            folder.mkdir(parents=True)
            for number in range(count):
                picture(label, 100 * place + number).save(folder / f"{number}.png")
    return root


def judged(root, *answers, seen=None):
    read = partial(read_member, open_images(root), SIZE, "bilinear", seen or {})
    sets = list_sets(root)[0].items()
    return {name: measure.ask(Made(*answers), read, members, Bar()) for name, members in sets}


def scored(root, *answers, seen=None, thresholds=None):
    limits = thresholds or [np.nan] * len(answers)
    fixed = {f"custom_cnn {seed}": limit for seed, limit in enumerate(limits)}
    return score(judged(root, *answers, seen=seen), fixed)


# Sets.


def test_every_pair_is_a_set_of_its_own_whatever_its_names(tmp_path):
    folder_of(tmp_path, ["2020/stylegan", "2023/stylegan", "v1.0.2 größer", "NA", "001"], 1)
    folder_of(tmp_path, ["CNN/cat"], 1, real="0_real", fake="1_Fake")
    folder_of(tmp_path, ["gen/train"], 1, real="Nature", fake="AI")
    shutil.copy(tmp_path / "2020/stylegan/real/0.png", tmp_path / "v1.0.2 größer/real/a.b.c.png")
    (tmp_path / "top.png").write_bytes(b"")
    (tmp_path / "NA/real/photo.heic").write_bytes(b"")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/fake").symlink_to(tmp_path / "NA/fake")
    (tmp_path / "NA/real/.ipynb_checkpoints").mkdir()
    picture(0).save(tmp_path / "NA/real/.ipynb_checkpoints/0.png")  # an editor's copy
    sets, passed_over = list_sets(tmp_path)
    names = ["2020/stylegan", "2023/stylegan", "CNN/cat", "gen/train", "v1.0.2 größer"]
    assert list(sets) == ["001", *names[:3], "NA", *names[3:]]
    assert sets["CNN/cat"] == [("CNN/cat/0_real/0.png", 0), ("CNN/cat/1_Fake/0.png", 1)]
    assert (len(sets["v1.0.2 größer"]), len(sets["NA"])) == (3, 2)
    assert passed_over == [
        "top.png (in no folder named real or fake)",
        "1 .heic; 1 in .ipynb_checkpoints; 1 unfollowed link or pipe",
    ]
    table = scored(tmp_path, brightness)
    assert list(table["set"]) == list(sets)
    assert (table["accuracy"] == 1).all()
    (tmp_path / "NA/fake/1.png").symlink_to("0.png")
    assert len(list_sets(tmp_path)[0]["NA"]) == 3  # nothing old is remembered


def test_a_zip_is_read_as_its_folder_and_splits_are_rows(tmp_path, faces):
    archive = tmp_path / "faces.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for path in sorted(faces.rglob("*.jpg")):
            target.write(path, path.relative_to(faces))
        target.writestr("__MACOSX/a/b/test/fake/._0.jpg", b"x")
    both = [judged(root, brightness) for root in (faces, archive)]
    assert list(both[0]) == list(both[1]) == ["a/b/test", "a/b/train", "a/b/valid"]
    for name, table in both[0].items():
        pd.testing.assert_frame_equal(table, both[1][name])


@pytest.mark.parametrize("content", ["nothing", "no class", "no image"])
def test_a_folder_without_sets_is_refused_with_what_it_needs(tmp_path, content):
    root = tmp_path / "x"
    root.mkdir()
    if content == "no class":
        picture(0).save(root / "a.png")
    elif content == "no image":
        (root / "real").mkdir()
        (root / "real" / "a.txt").write_text("x")
    with pytest.raises(StudyError, match=r"has no images .* in folders named real and fake"):
        list_sets(root)
    with pytest.raises(StudyError, match="there is no folder or zip"):
        list_sets(tmp_path / "missing")


# Scores.


def test_a_perfect_detector_and_a_coin(tmp_path):
    folder_of(tmp_path, ["a"], count=100)
    row = scored(tmp_path, brightness).iloc[0]
    assert (row["images"], row["real"], row["fake"]) == (200, 100, 100)
    assert list(row[SCORES[:5]]) == [1.0] * 5
    assert show.guessing(pd.DataFrame([row])).tolist() == [0.5]
    assert row["ci_low"] == pytest.approx(0.98, abs=0.01)
    assert np.isnan(row["at_validation_threshold"])
    random = np.random.default_rng(1)
    coin = scored(tmp_path, lambda images: random.random(len(images))).iloc[0]
    assert coin["ci_low"] < 0.5 < coin["ci_high"]
    assert abs(coin["auc"] - 0.5) < 0.12


def test_a_moved_threshold_is_told_from_missing_knowledge(tmp_path):
    folder_of(tmp_path, ["a"], count=20)

    def low(images):
        return brightness(images) / 10  # ranks perfectly, and calls nothing fake

    row = scored(tmp_path, low, low, thresholds=[0.05, 0.95]).iloc[0]
    assert (row["accuracy"], row["real_accuracy"], row["fake_accuracy"]) == (0.5, 1.0, 0.0)
    assert (row["auc"], row["average_precision"]) == (1.0, 1.0)
    assert row["at_validation_threshold"] == 0.75  # 1 of the first seed and 0.5 of the second
    assert show.failing(row) == "no better than guessing, calls 100% of the fakes real"
    row["real_accuracy"], row["fake_accuracy"] = 0.1, 0.8
    row["ci_low"] = row["ci_high"]
    assert show.failing(row) == "calls 90% of the reals fake"
    row["real_accuracy"] = 0.7
    assert show.failing(row) == ""


def test_the_threshold_is_the_best_on_validation_images():
    labels, p_fake = np.array([0, 0, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.4, 0.8])
    assert measure.best_threshold(labels, p_fake) == pytest.approx(0.35)


def test_one_class_only_has_that_class_accuracy_and_no_auc(tmp_path):
    root = folder_of(tmp_path, ["a"], 3) / "a" / "fake"
    table = scored(root, brightness)
    row = table.iloc[0]
    assert row["set"] == "fake/"
    assert (row["accuracy"], row["fake_accuracy"], row["fake"], row["real"]) == (1, 1, 3, 0)
    assert row[["real_accuracy", "auc", "average_precision"]].isna().all()
    shown = show.shown_table(table).iloc[0]
    assert (shown["AUC"], shown["of reals"], shown["of fakes"]) == ("-", "-", "1.000")


def test_guessing_is_the_larger_classs_share_and_no_skill_is_called_so(tmp_path):
    folder_of(tmp_path, ["a"], 10)
    for number in range(3, 10):
        (tmp_path / "a" / "fake" / f"{number}.png").unlink()
    table = scored(tmp_path, lambda images: np.zeros(len(images)))  # real, whatever it sees
    shown = show.shown_table(table).iloc[0]
    assert (shown["guessing"], shown["accuracy at 0.5 (95 %)"][:5]) == ("0.769", "0.769")
    assert shown["how it fails"].startswith("no better than guessing")


def test_the_mean_is_unweighted_and_over_sets_with_both_classes(tmp_path):
    folder_of(tmp_path, ["big"], 30)
    folder_of(tmp_path, ["small"], 2)
    (tmp_path / "only" / "fake").mkdir(parents=True)
    picture(1).save(tmp_path / "only" / "fake" / "x.png")
    table = scored(
        tmp_path,
        lambda images: np.full(len(images), 0.9) if len(images) > 10 else 1 - brightness(images),
    )
    assert dict(table[["set", "accuracy"]].values) == {"big": 0.5, "only": 0, "small": 0}
    mean = show.shown_table(table).iloc[-1]
    assert tuple(mean[["set", "accuracy at 0.5 (95 %)"]]) == ("mean of 2 sets", "0.250")


def test_what_is_unreadable_or_learned_is_left_out_and_test_images_are_counted(tmp_path):
    folder_of(tmp_path, ["a"], 5)
    (tmp_path / "a/real/4.png").write_text("no image")
    first = judged(tmp_path, brightness)["a"]
    seen = dict(zip(first["sha256"], ("train", "valid", "test", "test", "test"), strict=False))
    found = judged(tmp_path, brightness, seen=seen)
    row = score(found, {"custom_cnn 0": 0.5})
    assert row[["images", "fake", "learned", "in_test", "unreadable"]].values.tolist() == [
        [7, 3, 2, 3, 1]
    ]
    assert measure.left_out(found).values.tolist() == [
        ["a", "a/fake/0.png", "in the run's training set"],
        ["a", "a/fake/1.png", "in the run's validation set"],
        ["a", "a/real/4.png", "not an image"],
    ]
    assert measure.counts_left_out(row) == [
        "Left out because the run learned from them: 2 files.",
        "Left out because they can't be read: one file.",
        "In the run's own test set, and counted here: 3 files.",
    ]


def test_an_image_in_several_splits_counts_as_learned(tmp_path, monkeypatch):
    seen = {"test": ["x", "y", "z"], "train": ["x"], "valid": ["x", "y"]}
    monkeypatch.setattr(measure, "manifest", lambda s, split: pd.DataFrame({"sha256": seen[split]}))
    read = measure.reader(load_study(), tmp_path)
    assert read.args[-1] == {"x": "train", "y": "valid", "z": "test"}


def test_images_stream_in_batches(tmp_path, monkeypatch):
    folder_of(tmp_path, ["a"], 10)
    monkeypatch.setattr(measure, "in_threads", partial(measure.in_threads, at_once=4))
    sizes = []

    def counted(images):
        sizes.append(len(images))
        return brightness(images)

    (tmp_path / "a" / "real" / "3.png").write_text("no image")
    table = judged(tmp_path, counted)["a"]
    assert sizes == [4, 4, 4, 3, 4]
    assert list(table["path"]) == [path for path, _ in list_sets(tmp_path)[0]["a"]]
    assert list(table["path"][table["custom_cnn 0"].isna()]) == ["a/real/3.png"]
    counts = table["why"] == ""
    assert ((table["custom_cnn 0"] > 0.5) == (table["label"] == 1))[counts].all()


# File formats.


def jpeg(image, **options):
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return stream.getvalue()


@pytest.mark.parametrize("quality", [*range(30, 96, 13), 95, 100])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(quality):
    for number, name in enumerate(("4:4:4", "4:2:2", "4:2:0")):
        about = file_format(jpeg(picture(1), quality=quality, subsampling=number))
        assert list(about.values()) == ["JPEG", "40x40", str(quality), name]
    assert len(qualities()) == 100


def test_other_tables_and_other_formats_have_no_quality():
    assert file_format(jpeg(picture(1), qtables="web_low"))["quality"] == "other tables"
    assert file_format(jpeg(picture(1).convert("L"), quality=80))["subsampling"] == "grey"
    stream = io.BytesIO()
    picture(1).save(stream, "PNG")
    assert list(file_format(stream.getvalue()).values()) == ["PNG", "40x40", "-", "-"]


def test_where_the_codec_is_the_label_a_warning_says_so(tmp_path):
    random = np.random.default_rng(0)
    ways = {
        "alike": lambda label, number: (40, 75),
        "codec": lambda label, number: (40, 95 - 20 * label),
        "larger": lambda label, number: (40 + 60 * label + number, 75),
        "mixed": lambda label, number: (int(random.integers(40, 90)), 75),
    }
    for name, way in ways.items():
        for label, kind in enumerate(("real", "fake")):
            (tmp_path / name / kind).mkdir(parents=True)
            for number in range(60):
                side, quality = way(label, number)
                raw = jpeg(picture(label, number, side), quality=quality)
                (tmp_path / name / kind / f"{number}.jpg").write_bytes(raw)
    table = formats_table(judged(tmp_path, brightness))
    differing = dict(zip(table["set"], table["differs"], strict=True))
    assert differing == {"alike": "", "codec": "JPEG quality", "larger": "size", "mixed": ""}
    sentences = warnings(table)
    assert len(sentences) == 2
    assert sentences[0].startswith("WARNING: real and fake of codec were saved differently (JPEG q")
    fake = table[(table["set"] == "codec") & (table["class"] == "fake")].iloc[0]
    values = ["JPEG (100%)", "40x40 (100%)", "75 (100%)", "4:2:0 (100%)"]
    assert list(fake[["format", "size", "quality", "subsampling"]]) == values


@pytest.mark.parametrize(("run", "accuracy"), [("demo", "0.521"), ("laptop", "0.863")])
def test_the_committed_examples_are_shown(run, accuracy):
    table = read_file(ROOT / "results" / "examples" / run / "elsewhere" / "elsewhere.csv")
    assert show.shown_table(table)["accuracy at 0.5 (95 %)"][0].startswith(accuracy)
    formats = read_file(ROOT / "results" / "examples" / run / "elsewhere" / "formats.csv")
    assert list(formats) == list(formats_table({}))


# The demo's further generators.


@pytest.mark.parametrize("generator", GENERATORS)
def test_the_further_generators_are_repeatable_and_not_given_away_by_file_size(generator):
    keys = [(others.SEED, 0, 0, number) for number in range(60)]
    pairs = [
        [others.make_other(generator, kind, 64, key) for kind in ("real", "fake")] for key in keys
    ]
    np.testing.assert_array_equal(pairs[0][1], others.make_other(generator, "fake", 64, keys[0]))
    assert 0 < np.abs(pairs[0][0].astype(float) - pairs[0][1]).mean() < 8
    sizes = [len(to_jpeg(image)) for label in (0, 1) for image in (pair[label] for pair in pairs)]
    labels = [0] * 60 + [1] * 60
    assert abs(roc_auc_score(labels, sizes) - 0.5) < 0.1
    images = np.array([pair[label] for label in (0, 1) for pair in pairs]).astype(float)
    colour = images[..., 2] - images[..., 1]
    spectrum = np.log(np.abs(np.fft.rfft(colour.mean(2))) + np.abs(np.fft.rfft(colour.mean(1))))
    peak = spectrum[:, 8] - spectrum[:, [5, 6, 10, 11]].mean(1)  # a period of 8 pixels in 64
    fine = [np.abs(np.diff(x, 2, axis=1)).mean((1, 2)) for x in (colour, images.mean(-1))]
    trace, less_colour = roc_auc_score(labels, peak), roc_auc_score(labels, -fine[0] / fine[1])
    if generator == "pixel_shuffle":
        assert trace > 0.9
    else:
        assert abs(trace - 0.5) < 0.1
        assert less_colour > 0.9


def test_the_further_generators_are_drawn_marked_and_drawn_again_where_they_changed(places):
    study = load_study("demo", overrides="image_size=35 images_per_class=2")
    task = draw_others.of(study)
    task.ensure()
    assert task.folder == places / "data" / "demo-others-40px-2"
    files = {path: path.read_bytes() for path in task.folder.rglob("*.jpg")}
    assert len(set(files.values())) == 8
    parents = {path.parent.relative_to(task.folder).as_posix() for path in files}
    assert parents == {f"{name}/{kind}" for name in GENERATORS for kind in ("fake", "real")}
    for images in judged(task.folder, brightness).values():
        assert images["generated"].all()
    first = min(files)
    first.write_bytes(first.read_bytes()[:300])
    assert task.why_not_done()
    task.ensure()
    assert {path: path.read_bytes() for path in task.folder.rglob("*.jpg")} == files


# A run.


class Both(Made):
    """Both networks, and how many images they were asked about each time."""

    asked: list[int]

    def __init__(self, study, models=tuple(MODELS)):
        super().__init__(*[brightness] * len(models))
        self.columns = [(model, 0) for model in models]

    def p_fake(self, images):
        Both.asked.append(len(images))
        return super().p_fake(images)


@pytest.fixture
def both(monkeypatch):
    Both.asked = []
    monkeypatch.setattr(training, "Detectors", Both)


def test_from_folder_to_report_and_again_only_what_changed(finished, tmp_path, both):
    odd = os.fsdecode(b"caf\xe9.v2")  # not UTF-8
    root = folder_of(tmp_path / "other", ["NA", "001", odd], 3)
    study = finished(overrides=f"other={root}")

    def measured():
        done(*EXTENSION.tasks(study))
        return elsewhere(study)

    table = measured()
    assert Both.asked == [6, 6, 6]
    assert list(table["set"][::2]) == ["001", "NA", "caf\\udce9.v2"]
    assert (table["accuracy"] == 1).all()
    text = " ".join(EXTENSION.summary(study).split())
    assert "mean of 3 sets VGG16 1.000" in text
    assert f"its own test set VGG16 {show.at_home(study)['vgg16']:.3f}" in text
    assert "Generated data" not in text
    page = EXTENSION.section(study).data
    assert 'alt="Accuracy on other images. ' in page
    for path in (study.results / "elsewhere").glob(".*.json"):
        assert str(tmp_path) not in path.read_text()
    assert not EXTENSION.why_stale(study)

    (root / "NA" / "real" / "0.png").write_text("no image")
    assert EXTENSION.why_stale(study)  # never shown beside what it isn't about
    assert measured()["unreadable"].tolist() == [0, 0, 1, 1, 0, 0]
    assert Both.asked == [6, 6, 6, 5]  # the other sets are kept
    for path in (root / "NA").rglob("*.png"):
        path.write_text("no image")
    assert measured()["images"].tolist() == [6, 6, 0, 0, 6, 6]
    assert "Left out because they can't be read: 6 files." in EXTENSION.summary(study)
    assert show.shown_table(elsewhere(study))["accuracy at 0.5 (95 %)"][2] == "-"
    for path in root.rglob("*.png"):
        path.write_text("no image")
    with pytest.raises(StudyError, match=r"no image of other could be judged\. .* 18 files"):
        measured()
    root.rename(tmp_path / "moved")
    assert "there is no folder or zip" in EXTENSION.why_stale(study)  # and the report goes on


def test_networks_that_changed_are_not_shown_with_old_answers(finished, tmp_path, both):
    study = finished(overrides=f"other={folder_of(tmp_path / 'other', ['a'], 1)}")
    done(*EXTENSION.tasks(study))
    assert not EXTENSION.why_stale(study)
    train.of(study, "vgg16", 0).path("model.keras").write_text("another")
    assert EXTENSION.why_stale(study).endswith("model.keras has changed")


def test_without_images_it_is_left_out_or_refused(places, faces, monkeypatch):
    study = load_study(data=str(faces), run="x")
    assert "give a folder or zip with real and fake inside" in EXTENSION.missing(study)
    with pytest.raises(StudyError, match="give a folder or zip with real and fake inside"):
        EXTENSION.tasks(study)
    assert not EXTENSION.missing(load_study("demo"))
    monkeypatch.chdir(faces)
    given = load_study("demo", overrides="other=a/b/test")  # a notebook runs in another folder
    assert given.options["other"] == str(faces / "a/b/test")


def test_the_command_asks_the_networks_and_writes_each_answer(
    finished, faces, tmp_path, both, capsys
):
    finished()
    root = folder_of(tmp_path / "x", ["a"], 8)
    shutil.copy(next(faces.rglob("train/fake/0.jpg")), root / "a/fake/learned.jpg")
    for number in range(7):
        (root / "a" / "real" / f"{number}.png").write_text("no image")
    for _ in range(2):  # a table of ours is written again
        evaluate(root, "made-up", csv=tmp_path / "out.csv")
    out = capsys.readouterr().out
    written = pd.read_csv(tmp_path / "out.csv")
    assert list(written) == ["set", "path", "label", "sha256", "model", "seed", "p_fake"]
    assert (
        written.groupby("model")["p_fake"].agg(["size", "count"]).values.tolist() == [[17, 9]] * 2
    )
    for row in written.dropna().itertuples():
        pixels = as_input(decode((root / row.path).read_bytes()).image, SIZE, "bilinear")
        assert row.p_fake == brightness(pixels[None])[0]
    assert " a custom CNN 9 0.889 1.000 (" in " ".join(out.split())
    assert out.count("(not an image)") == 8  # four of seven, twice
    assert "; and 3 more" in out
    assert "Left out because they can't be read: 7 files." in out
    assert "Left out because the run learned from them: one file." in out
    Both.asked.clear()
    evaluate(root, "made-up", "vgg16")
    assert "custom CNN" not in capsys.readouterr().out
    assert Both.asked == [9]


def test_a_run_whose_images_or_networks_changed_is_refused(finished, faces, tmp_path, both):
    study, root = finished(), folder_of(tmp_path / "x", ["a"], 1)
    train.of(study, "vgg16", 0).path("model.keras").write_text("another")
    evaluate(root, "made-up", "custom_cnn")
    with pytest.raises(StudyError, match=r"model\.keras has changed: run make report RUN=made-up"):
        evaluate(root, "made-up")
    for path in (faces / "a/b/train").rglob("*.jpg"):
        picture(0, 7, 41).save(path)  # today's list would be another's
    with pytest.raises(StudyError, match="the images of 'faces' have changed since"):
        evaluate(root, "made-up", "custom_cnn")
    assert Both.asked == [2]


@pytest.mark.parametrize(
    ("place", "more", "sentence"),
    [
        ("none", {}, "there is no folder or zip"),
        ("x", {"model": "vgg"}, "unknown model 'vgg'"),
        ("x", {}, "there is no trained run 'demo' "),
        ("x", {"csv": "photo.csv"}, "is no place for a table"),
    ],
)
def test_a_mistake_is_told_before_any_work(places, tmp_path, place, more, sentence):
    root = folder_of(tmp_path / "x", ["a"], 1)
    photo = shutil.copy(root / "a/real/0.png", tmp_path / "photo.csv").read_bytes()
    if "csv" in more:
        more = {"csv": tmp_path / more["csv"]}
    with pytest.raises(StudyError, match=sentence):
        evaluate(tmp_path / place, **more)
    assert (tmp_path / "photo.csv").read_bytes() == photo
