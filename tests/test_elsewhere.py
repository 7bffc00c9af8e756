"""Other images: sets by their folders, known scores, the codec as a label, and what is left out."""

import io
import json
import os
import zipfile

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from sklearn.metrics import roc_auc_score

from fakeface_utils import cli
from fakeface_utils.common.errors import StudyError
from fakeface_utils.common.files import write_json
from fakeface_utils.common.paths import results_dir
from fakeface_utils.dataset.decode import decode
from fakeface_utils.dataset.demo import others
from fakeface_utils.dataset.demo.traces import _jpeg
from fakeface_utils.dataset.folder import open_images
from fakeface_utils.dataset.formats import QUALITIES, file_format, scaled
from fakeface_utils.dataset.sets import list_sets
from fakeface_utils.evaluation import elsewhere
from fakeface_utils.evaluation import sets as scores
from fakeface_utils.evaluation.formats import formats_table, warnings
from fakeface_utils.networks import elsewhere as networks
from fakeface_utils.networks.models import custom_cnn
from fakeface_utils.report.elsewhere import draw_elsewhere, section
from fakeface_utils.run.evaluate import show
from fakeface_utils.study.artefacts import seed_dir, study_json
from fakeface_utils.study.beyond import BEYOND, as_measured, beyond_steps
from fakeface_utils.study.beyond_artefacts import column
from fakeface_utils.study.elsewhere import MADE_UP, draw_others_step, elsewhere_step, judge_steps
from fakeface_utils.study.names import MODELS
from fakeface_utils.study.parameters import load_study
from fakeface_utils.study.sets import find_sets
from fakeface_utils.study.settings import Study

SIZE = 32


class Made:
    """A made-up `Trained`: p_fake of images by a function of (N, size, size, 3) uint8."""

    size = SIZE

    def __init__(self, *answers):
        self.answers = answers
        self.columns = [f"custom_cnn_seed_{seed}" for seed in range(len(answers))]

    def p_fake(self, images):
        return np.stack([answer(images) for answer in self.answers], axis=1)


def brightness(images):
    """A perfect detector of `folder_of`'s fakes, which are brighter."""
    return np.where(images.mean((1, 2, 3)) > 128, 0.9, 0.1)


def picture(fake, number=0, side=40):
    rng = np.random.default_rng([number, fake])
    return PIL.Image.fromarray(rng.integers(0, 100, (side, side, 3), np.uint8) + 150 * fake)


def folder_of(root, sets, count=4, real="real", fake="fake", **saved):
    """Reals and fakes of each set, below the root."""
    for place, name in enumerate(sets):
        for label, kind in enumerate((real, fake)):
            folder = root / name / kind
            folder.mkdir(parents=True)
            for number in range(count):
                image = picture(label, 100 * place + number)
                image.save(folder / f"{number}.{saved.get('suffix', 'png')}")
    return root


def judged(root, trained, seen=None):
    source = open_images(root)
    tables = networks.judge_all(trained, source, list_sets(source).sets, "bilinear")
    return scores.mark_seen(tables, seen or {})


def scored(root, *answers, seen=None, thresholds=None):
    seeds = range(len(answers))
    fixed = {"custom_cnn": thresholds} if thresholds else {}
    return scores.score(judged(root, Made(*answers), seen), ["custom_cnn"], seeds, fixed)


def test_a_perfect_detector_and_a_coin(tmp_path):
    folder_of(tmp_path, ["a"], count=100)
    row = scored(tmp_path, brightness).iloc[0]
    assert (row["images"], row["real"], row["fake"]) == (200, 100, 100)
    assert list(row[list(scores.SCORES[:5])]) == [1.0] * 5
    assert row["ci_low"] == pytest.approx(0.98, abs=0.01)
    assert np.isnan(row["at_validation_threshold"])
    random = np.random.default_rng(1)
    coin = scored(tmp_path, lambda images: random.random(len(images))).iloc[0]
    assert coin["ci_low"] < 0.5 < coin["ci_high"]
    assert abs(coin["auc"] - 0.5) < 0.12
    assert coin["tuned_on_these"] > coin["accuracy"]  # picked on these answers: never a result


def test_a_moved_threshold_is_told_from_missing_knowledge(tmp_path):
    folder_of(tmp_path, ["a"], count=20)

    def low(images):
        return brightness(images) / 10  # ranks perfectly, and calls nothing fake

    row = scored(tmp_path, low, low, thresholds=[0.05, 0.95]).iloc[0]
    assert (row["accuracy"], row["real_accuracy"], row["fake_accuracy"]) == (0.5, 1.0, 0.0)
    assert (row["auc"], row["average_precision"], row["tuned_on_these"]) == (1.0, 1.0, 1.0)
    assert row["at_validation_threshold"] == 0.75  # 1 of the first seed and 0.5 of the second
    assert scores.side(row) == "it calls 100% of the fakes real"
    row["real_accuracy"], row["fake_accuracy"] = 0.1, 0.8
    assert scores.side(row) == "it calls 90% of the reals fake"
    row["real_accuracy"] = 0.7
    assert scores.side(row) == ""


def test_every_pair_is_a_set_of_its_own_whatever_its_names(tmp_path):
    folder_of(tmp_path, ["2020/stylegan", "2023/stylegan", "v1.0.2 größer"], 1)
    folder_of(tmp_path, ["CNN/cat"], 1, real="0_real", fake="1_Fake")
    folder_of(tmp_path, ["gen/train"], 1, real="Nature", fake="AI")
    (tmp_path / "v1.0.2 größer" / "real" / "a.b.c.png").write_bytes(
        (tmp_path / "2020/stylegan/real/0.png").read_bytes()
    )
    (tmp_path / "top.png").write_bytes(b"")
    names = ["2020/stylegan", "2023/stylegan", "CNN/cat", "gen/train", "v1.0.2 größer"]
    assert list(find_sets(tmp_path)) == names
    listing = list_sets(open_images(tmp_path))
    assert list(listing.sets) == names
    assert listing.sets["CNN/cat"] == [("CNN/cat/0_real/0.png", 0), ("CNN/cat/1_Fake/0.png", 1)]
    assert len(listing.sets["v1.0.2 größer"]) == 3
    assert listing.passed_over == [("top.png", "in no folder named real or fake")]
    table = scored(tmp_path, brightness)
    assert list(table["set"]) == names
    assert (table["accuracy"] == 1).all()


def test_a_zip_is_read_as_its_folder_and_splits_are_rows(tmp_path, faces):
    archive = tmp_path / "faces.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for path in sorted(faces.rglob("*.jpg")):
            target.write(path, path.relative_to(faces))
        target.writestr("__MACOSX/a/b/test/fake/._0.jpg", b"x")
    names = ["a/b/test", "a/b/train", "a/b/valid"]
    assert list(find_sets(archive)) == list(find_sets(faces)) == names
    assert find_sets(archive)["a/b/test"] == (archive,)
    both = [judged(root, Made(brightness)) for root in (faces, archive)]
    for name in names:
        pd.testing.assert_frame_equal(both[0][name], both[1][name])


def test_one_class_only_has_that_class_accuracy_and_no_auc(tmp_path):
    root = folder_of(tmp_path, ["a"], 3) / "a" / "fake"
    assert list(find_sets(root)) == ["fake/"]
    table = scored(root, brightness)
    row = table.iloc[0]
    assert (row["accuracy"], row["fake_accuracy"], row["fake"], row["real"]) == (1, 1, 3, 0)
    assert np.isnan(
        row[["real_accuracy", "auc", "average_precision", "tuned_on_these"]].tolist()
    ).all()
    shown = scores.shown_table(table).iloc[0]
    assert (shown["AUC"], shown["of reals"], shown["of fakes"]) == ("-", "-", "1.000")


def test_the_mean_is_unweighted_and_over_sets_with_both_classes(tmp_path):
    folder_of(tmp_path, ["big"], 30)
    folder_of(tmp_path, ["small"], 2)
    for name in ("big/fake", "only/fake"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    picture(1).save(tmp_path / "only" / "fake" / "x.png")
    table = scored(
        tmp_path,
        lambda images: np.full(len(images), 0.9) if len(images) > 10 else 1 - brightness(images),
    )
    mean, count = scores.mean_over_sets(table, "custom_cnn")
    assert dict(zip(table["set"], table["accuracy"], strict=True)) == {
        "big": 0.5,
        "only": 0,
        "small": 0,
    }
    assert (mean["accuracy"], count) == (0.25, 2)


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
        find_sets(root)
    with pytest.raises(StudyError, match="there is no folder or zip"):
        find_sets(tmp_path / "missing")


def test_unreadable_files_are_named_and_the_others_count(places, tmp_path, capsys):
    limits = {"threshold": 0.5, "temperature": 1.0, "accused": 0.5, "missed": 0.5}
    fixed = {"custom_cnn": {"0": limits}, "vgg16": {}}
    write_json(results_dir("none") / "calibration.json", fixed)
    folder_of(tmp_path, ["a"], 8)
    for number in range(7):
        (tmp_path / "a" / "real" / f"{number}.png").write_text("no image")
    tables = judged(tmp_path, Made(brightness))
    row = scores.score(tables, ["custom_cnn"], [0], {}).iloc[0]
    assert (row["unreadable"], row["real"], row["fake"], row["accuracy"]) == (7, 1, 8, 1)
    study = load_study("demo", run="none")
    show(study, ["custom_cnn"], tables, False, [], tmp_path / "out.csv")
    out = capsys.readouterr().out
    assert out.count("(not an image)") == 5
    assert "left out: a/real/0.png (not an image)" in out
    assert "... and 2 more" in out
    assert "Left out because they can't be read: 7 files." in out
    written = pd.read_csv(tmp_path / "out.csv")
    assert list(written) == ["set", "path", "label", "sha256", "custom_cnn_seed_0"]
    assert written["custom_cnn_seed_0"].notna().sum() == 9
    nothing = {"a": tables["a"][tables["a"]["why"] != ""]}
    with pytest.raises(StudyError, match=r"no image of these sets .* be read: 7 files"):
        show(study, ["custom_cnn"], nothing, False, [], None)


def test_images_of_every_mode_are_judged(tmp_path):
    for label, kind in enumerate(("real", "fake")):
        (tmp_path / kind).mkdir()
        for mode in ("RGB", "L", "RGBA", "P", "CMYK", "1"):
            suffix = "jpg" if mode == "CMYK" else "png"
            picture(label).convert(mode).save(tmp_path / kind / f"{mode}.{suffix}")
    row = scored(tmp_path, lambda images: np.full(len(images), 0.7)).iloc[0]
    assert (row["set"], row["images"], row["unreadable"]) == (f"{tmp_path.name}/", 12, 0)
    assert (row["accuracy"], row["auc"]) == (0.5, 0.5)


def test_images_that_the_run_learned_from_are_left_out_and_test_images_counted(tmp_path):
    folder_of(tmp_path, ["a"], 5)
    first = judged(tmp_path, Made(brightness))["a"]
    seen = dict(zip(first["sha256"], ("train", "valid", "test", "test", "test"), strict=False))
    tables = judged(tmp_path, Made(brightness), seen)
    row = scores.score(tables, ["custom_cnn"], [0], {}).iloc[0]
    assert (row["images"], row["fake"], row["learned"], row["in_test"]) == (8, 3, 2, 3)
    assert scores.not_scored(tables).values.tolist() == [
        ["a", "a/fake/0.png", "in the run's training set"],
        ["a", "a/fake/1.png", "in the run's validation set"],
    ]
    assert scores.counts_left_out(pd.DataFrame([row])) == [
        "Left out because the run learned from them: 2 files.",
        "In the run's own test set, and counted here: 3 files.",
    ]


def jpeg(image, **options):
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return stream.getvalue()


@pytest.mark.parametrize("quality", range(30, 96, 5))
def test_the_quality_of_a_jpeg_is_read_from_its_tables(quality):
    sampling = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
    for number, name in sampling.items():
        about = file_format(jpeg(picture(1), quality=quality, subsampling=number))
        assert about == {
            "format": "JPEG",
            "size": "40x40",
            "quality": str(quality),
            "subsampling": name,
        }


def test_other_tables_and_other_formats_have_no_quality():
    assert file_format(jpeg(picture(1), qtables="web_low"))["quality"] == "other tables"
    assert file_format(jpeg(picture(1).convert("L"), quality=80))["subsampling"] == "grey"
    stream = io.BytesIO()
    picture(1).save(stream, "PNG")
    about = file_format(stream.getvalue())
    assert (about["format"], about["quality"], about["subsampling"]) == ("PNG", "-", "-")
    assert len(QUALITIES) == len({scaled(quality) for quality in range(1, 101)}) == 100


def saved_as(root, name, count=60, **options):
    """A set whose classes are saved as a function of label and number tells."""
    for label, kind in enumerate(("real", "fake")):
        (root / name / kind).mkdir(parents=True)
        for number in range(count):
            side, quality = options["how"](label, number)
            path = root / name / kind / f"{number}.jpg"
            path.write_bytes(jpeg(picture(label, number, side), quality=quality))


def test_where_the_codec_is_the_label_a_warning_says_so(tmp_path):
    random = np.random.default_rng(0)
    saved_as(tmp_path, "alike", how=lambda label, number: (40, 75))
    saved_as(tmp_path, "codec", how=lambda label, number: (40, 95 - 20 * label))
    saved_as(tmp_path, "larger", how=lambda label, number: (40 + 60 * label + number, 75))
    saved_as(tmp_path, "mixed", how=lambda label, number: (int(random.integers(40, 90)), 75))
    tables = judged(tmp_path, Made(brightness))
    table = formats_table({name: scores.scored(one) for name, one in tables.items()})
    differing = dict(zip(table["set"], table["differs"], strict=True))
    assert differing == {"alike": "", "codec": "JPEG quality", "larger": "size", "mixed": ""}
    sentences = warnings(table)
    assert len(sentences) == 2
    assert sentences[0].startswith("WARNING: real and fake of codec were saved differently")
    assert "JPEG quality: real 95 (100%), fake 75 (100%)" in sentences[0]
    assert "2403.17608" in sentences[0]
    row = table[(table["set"] == "codec") & (table["class"] == "fake")].iloc[0]
    assert (row["format"], row["size"], row["subsampling"]) == (
        "JPEG (100%)",
        "40x40 (100%)",
        "4:2:0 (100%)",
    )


def test_images_stream_in_batches(tmp_path, monkeypatch):
    folder_of(tmp_path, ["a"], 10)
    monkeypatch.setattr(networks, "AT_ONCE", 4)
    sizes = []

    def counted(images):
        sizes.append(len(images))
        return brightness(images)

    (tmp_path / "a" / "real" / "3.png").write_text("no image")
    table = judged(tmp_path, Made(counted))["a"]
    assert sizes == [4, 4, 4, 3, 4]
    assert list(table["path"]) == [path for path, _ in list_sets(open_images(tmp_path)).sets["a"]]
    right = table[table["why"] == ""]
    assert ((right["custom_cnn_seed_0"] > 0.5) == (right["label"] == 1)).all()


@pytest.mark.parametrize("generator", MADE_UP)
def test_the_further_generators_are_repeatable_and_not_given_away_by_file_size(generator):
    keys = [(others.SEED, 0, 0, number) for number in range(60)]
    pairs = [
        [others.make_other(generator, kind, 64, key) for kind in ("real", "fake")] for key in keys
    ]
    np.testing.assert_array_equal(pairs[0][1], others.make_other(generator, "fake", 64, keys[0]))
    assert 0 < np.abs(pairs[0][0].astype(float) - pairs[0][1]).mean() < 8
    sizes = [len(_jpeg(image)) for label in (0, 1) for image in (pair[label] for pair in pairs)]
    labels = [0] * 60 + [1] * 60
    assert abs(roc_auc_score(labels, sizes) - 0.5) < 0.1
    images = np.array([pair[label] for label in (0, 1) for pair in pairs]).astype(float)
    colour = images[..., 2] - images[..., 1]
    spectrum = np.log(np.abs(np.fft.rfft(colour.mean(2))) + np.abs(np.fft.rfft(colour.mean(1))))
    peak = spectrum[:, 8] - spectrum[:, [5, 6, 10, 11]].mean(1)  # a period of 8 pixels in 64
    fine = [np.abs(np.diff(x, 2, axis=1)).mean((1, 2)) for x in (colour, images.mean(-1))]
    detail = fine[0] / fine[1]  # of colour against grey
    trace, less_colour = roc_auc_score(labels, peak), roc_auc_score(labels, -detail)
    if generator == "pixel_shuffle":
        assert trace > 0.9
    else:
        assert abs(trace - 0.5) < 0.1
        assert less_colour > 0.9


def test_the_further_generators_are_drawn_marked_and_resumed(places):
    study = load_study("demo", overrides="image_size=35 images_per_class=2")
    others.draw_others(study)
    step = draw_others_step(study)
    root = step.outputs[0]
    assert root == places / "data" / "demo-others-40px-2"
    files = {path: path.read_bytes() for path in root.rglob("*.jpg")}
    assert len(files) == 8
    assert sorted({path.parent.relative_to(root).as_posix() for path in files}) == sorted(
        f"{name}/{kind}" for name in MADE_UP for kind in ("fake", "real")
    )
    assert len(set(files.values())) == 8
    table = judged(root, Made(brightness))
    assert all(one["generated"].all() for one in table.values())
    first = min(files)
    first.write_bytes(first.read_bytes()[:300])
    assert not step.is_done()
    others.draw_others(study)
    assert {path: path.read_bytes() for path in root.rglob("*.jpg")} == files


def test_without_images_it_is_left_out_or_refused(places, faces):
    study = load_study(data=str(faces), run="x")
    assert "09_elsewhere" in BEYOND
    assert "09_elsewhere" not in beyond_steps(study)
    with pytest.raises(StudyError, match="give a folder or zip with real and fake inside"):
        beyond_steps(study, "elsewhere")
    assert as_measured(study, elsewhere_step) is None
    assert section(study) == ""
    assert "09_elsewhere" in beyond_steps(load_study("demo"))


def made_up(study, path):
    """What a step before notebook 09 may have left as this file: a run of perfect networks."""
    if path.parent == study_json(study.run).parent and path.suffix == ".json":
        return json.dumps({model: {"0": {"threshold": 0.3}} for model in MODELS})
    if path.name == "dataset.json":
        names = ("name", "counts", "fingerprint", "unreadable", "left_out")
        counts = {"train": {"real": 1, "fake": 1}}
        return json.dumps(dict.fromkeys(names, "") | {"generated": False, "counts": counts})
    if path.name == "predictions.csv":
        return "path,label,p_fake\na,0,0.1\nb,1,0.9\n"
    return "path,label,sha256\n" if path.suffix == ".csv" else "made up"


def test_from_folder_to_report_and_again_only_what_changed(places, faces, tmp_path, monkeypatch):
    odd = os.fsdecode(b"caf\xe9.v2")  # not UTF-8
    root = folder_of(tmp_path / "other", ["a", odd], 3)
    study = load_study(data=str(faces), run="x", overrides={"other": str(root)})
    for step in elsewhere_step(study).before():
        if step.kind != "judge":

            def leave(step=step):
                for path in step.outputs:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(made_up(study, path))

            step.do(leave)
    asked = []

    class Both(Made):
        def __init__(self, study):
            super().__init__(brightness, brightness)
            self.columns = [column(model, 0) for model in MODELS]

        def p_fake(self, images):
            asked.append(len(images))
            return super().p_fake(images)

    monkeypatch.setattr(networks, "Trained", Both)
    networks.judge(study)
    assert asked == [6, 6]
    table = elsewhere.elsewhere(study)
    assert list(table["set"]) == ["a", "a", "caf\\udce9.v2", "caf\\udce9.v2"]
    assert (table["accuracy"] == 1).all()
    draw_elsewhere(study)
    text = elsewhere.summary(study)
    assert "VGG16: accuracy 1.000 at home and 1.000 elsewhere (mean of 2 sets), AUC 1.000" in text
    assert "Generated data" not in text
    page = section(study)
    assert "<svg " in page
    assert str(tmp_path) not in page
    assert as_measured(study.model_copy(update={"seeds": (0, 1)}), elsewhere_step) == study

    (root / "a" / "real" / "0.png").write_text("no image")
    networks.judge(study)
    assert asked == [6, 6, 5]  # the other set is kept
    assert elsewhere.elsewhere(study)["unreadable"].tolist() == [1, 1, 0, 0]
    for path in (root / "a").rglob("*.png"):
        path.write_text("no image")
    networks.judge(study)
    table = elsewhere.elsewhere(study)
    assert (table["unreadable"].tolist(), table["images"].tolist()) == ([6, 6, 0, 0], [0, 0, 6, 6])
    assert "VGG16: accuracy 1.000 at home and 1.000 on caf" in elsewhere.summary(study)
    assert "Left out because they can't be read: 6 files." in elsewhere.summary(study)
    assert scores.shown_table(table)["accuracy at 0.5 (95 %)"][0] == "-"
    draw_elsewhere(study)
    for path in root.rglob("*.png"):
        path.write_text("no image")
    networks.judge(study)
    with pytest.raises(StudyError, match=r"no image of other could be judged\. .* 12 files"):
        elsewhere.elsewhere(study)


def test_a_folder_that_is_gone_makes_a_report_show_nothing(places, faces, tmp_path):
    other = folder_of(tmp_path / "other", ["a", "b"], 1)
    study = load_study(data=str(faces), run="x", overrides={"other": str(other)})
    steps = judge_steps(study)
    assert list(steps) == ["a", "b"]
    assert steps["a"].inputs == (other / "a" / "fake", other / "a" / "real")
    assert str(tmp_path) not in str(elsewhere_step(study).settings)
    other.rename(tmp_path / "moved")
    assert as_measured(study, elsewhere_step) is None
    with pytest.raises(StudyError, match="there is no folder or zip"):
        beyond_steps(study, "elsewhere")


def test_the_sentence_names_the_worst_set_and_its_side(tmp_path):
    folder_of(tmp_path, ["good", "bad"], 20)
    table = scored(tmp_path, lambda images: 1 - brightness(images), thresholds=[0.5])
    good = table["set"] == "good"
    table.loc[good, ["accuracy", "real_accuracy", "fake_accuracy", "auc"]] = (0.9, 0.9, 0.9, 0.95)
    table.loc[~good, ["accuracy", "real_accuracy", "fake_accuracy", "auc"]] = (0.5, 0.05, 0.95, 0.6)
    table.loc[~good, ["ci_low", "ci_high"]] = (0.4, 0.6)
    assert elsewhere._sentence(table, "custom_cnn", 0.968) == (
        "custom CNN: accuracy 0.968 at home and 0.700 elsewhere (mean of 2 sets), AUC 0.775; worst "
        "on bad, 0.500 (95 % interval 0.400 to 0.600), no better than guessing: it calls 95% of "
        "the reals fake."
    )
    assert elsewhere._sentence(table[good], "custom_cnn", 0.968).startswith(
        "custom CNN: accuracy 0.968 at home and 0.900 on good (95 % interval 0.000 to"
    )


def test_the_command_prints_rows_and_writes_each_image(places, tmp_path, capsys):
    tiny = Study(image_size=SIZE, custom_filters=(2, 2, 2), custom_dense=4)
    path = seed_dir("mine", "custom_cnn", 0) / "model.keras"
    path.parent.mkdir(parents=True)
    network = custom_cnn(tiny)
    network.save(path)
    root = folder_of(tmp_path / "x", ["a"], 3)
    dataset = {"generated": True, "name": "x", "counts": {"train": {"real": 1, "fake": 1}}}
    settings = {"resize_filter": "nearest", "image_size": SIZE}
    write_json(study_json("mine"), {"settings": settings, "dataset": dataset, "seeds": [0]})
    with pytest.raises(StudyError, match=r"calibration\.json does not have custom_cnn seed 0"):
        cli.evaluate(root, run="mine", model="custom_cnn")
    limits = {"threshold": 0.5, "temperature": 1.0, "accused": 0.5, "missed": 0.5}
    fixed = {"custom_cnn": {"0": limits}, "vgg16": {}}
    write_json(results_dir("mine") / "calibration.json", fixed)
    cli.evaluate(root, run="mine", model="custom_cnn", csv=tmp_path / "out.csv")
    out = capsys.readouterr().out
    written = pd.read_csv(tmp_path / "out.csv").set_index("path")
    for name, row in written.iterrows():
        pixels, _ = decode((root / name).read_bytes(), SIZE, "nearest")
        expected = float(network.predict_on_batch(pixels[None])[0, 0])
        assert row["custom_cnn_seed_0"] == pytest.approx(expected, abs=1e-5)
    right = (written["custom_cnn_seed_0"] >= 0.5) == (written["label"] == 1)
    assert f"a custom CNN 6 {right.mean():.3f} (" in " ".join(out.split())
    assert "The run learned from generated portraits: its answers here say nothing." in out
    assert "whether it learned from one of these can't be told" in out


def test_the_command_checks_what_it_can_before_keras(places, tmp_path):
    with pytest.raises(StudyError, match="there is no folder or zip"):
        cli.evaluate(tmp_path / "none")
    folder_of(tmp_path, ["a"], 1)
    with pytest.raises(StudyError, match="unknown model 'vgg'"):
        cli.evaluate(tmp_path, model="vgg")
    with pytest.raises(StudyError, match="there is no trained run 'demo'"):
        cli.evaluate(tmp_path)
