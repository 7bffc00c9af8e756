"""`fakeface predict`: every file gets an answer or a reason, a damaged run one sentence."""

import json
import os
import shutil
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pandas as pd
import PIL.Image
import pytest

from fakeface_utils.common.errors import StudyError
from fakeface_utils.common.files import write_json
from fakeface_utils.dataset.decode import MARK
from fakeface_utils.dataset.given import RESAVINGS, given_files, resaved
from fakeface_utils.evaluation.calibration import tempered
from fakeface_utils.networks import predict_files
from fakeface_utils.networks.models import custom_cnn
from fakeface_utils.run.predict import predict as predict_with
from fakeface_utils.study.artefacts import seed_dir, study_json
from fakeface_utils.study.parameters import load_study
from fakeface_utils.study.plan import predict_step, train_step
from fakeface_utils.study.settings import Study

RECORD = {
    "settings": {"resize_filter": "nearest", "image_size": 32},
    "dataset": {
        "generated": False,
        "name": "faces",
        "counts": {"train": {"real": 600, "fake": 600}},
    },
    "seeds": [0],
}
DRAWN = RECORD | {"dataset": RECORD["dataset"] | {"generated": True}}
LIMITS = {"temperature": 2.0, "accused": 0.6, "missed": 0.4}
TINY = Study(image_size=32, custom_filters=(2, 2, 2), custom_dense=4)


def calibrated(**changed):
    """Write calibration.json of the run 'mine'."""
    values = {"custom_cnn": {"0": LIMITS | changed}, "vgg16": {}}
    write_json(study_json("mine").with_name("calibration.json"), values)


@pytest.fixture
def run(places, monkeypatch):
    """A run 'mine' with an untrained model; its model file. The terminal is wide."""
    monkeypatch.setenv("COLUMNS", "250")
    path = seed_dir("mine", "custom_cnn", 0) / "model.keras"
    path.parent.mkdir(parents=True)
    custom_cnn(TINY).save(path)
    study_json("mine").write_text(json.dumps(RECORD))
    calibrated()
    return path


def predict(paths, run="mine", **options):
    predict_with([str(path) for path in paths], run, "custom_cnn", 0, **options)


def table_of(folder, paths, **options):
    """The rows of the CSV that `predict` leaves, by file."""
    predict(paths, csv=folder / "table.csv", **options)
    table = pd.read_csv(folder / "table.csv", keep_default_na=False, dtype=str)
    return table.set_index("file")


def rows(text):
    """The printed rows by file name: a file's words after its name."""
    lines = text.split("\n\n", 1)[1].splitlines()[1:]
    return {line.split()[0]: line.split()[1:] for line in lines if not line.startswith("note ")}


def face(folder, name, size=(32, 32), seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(folder / name)
    return folder / name


def fix_answer(monkeypatch, *outputs):
    """The network gives these outputs to a file and its re-savings, whatever they are."""
    monkeypatch.setattr(
        keras.Model,
        "predict_on_batch",
        lambda self, batch: np.resize(np.array(outputs), (len(batch), 1)),
    )


def test_files_are_predicted_in_bounded_batches_and_one_unreadable_stops_no_other(
    run, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(predict_files, "AT_ONCE", 4)
    sizes = []
    predict_on_batch = keras.Model.predict_on_batch

    def counted(network, batch):
        sizes.append(len(batch))
        return predict_on_batch(network, batch)

    monkeypatch.setattr(keras.Model, "predict_on_batch", counted)
    paths = [face(tmp_path, f"{n}.png", seed=n) for n in range(9)]
    paths[2].write_text("no image")
    paths[8].write_bytes(paths[8].read_bytes()[:500])
    with pytest.raises(StudyError, match=r"^2 of 9 files can't be read"):
        predict(paths, csv=tmp_path / "t.csv", json=tmp_path / "t.json")
    assert sizes == [3, 4]
    printed = rows(capsys.readouterr().out)
    assert list(printed) == list(map(str, paths))
    assert " ".join(printed[str(paths[2])]) == ("- - it can't be read as an image (not an image)")
    table = pd.read_csv(tmp_path / "t.csv").set_index("file")
    as_json = json.loads((tmp_path / "t.json").read_text())
    assert as_json["learned_from"] == "1,200 images of faces at 32 px"
    assert as_json["fake_above"] == pytest.approx(float(tempered(0.6, 2)))
    assert [row["file"] for row in as_json["answers"]] == list(map(str, paths))
    assert as_json["answers"][2]["p_fake"] is None
    assert table.loc[str(paths[8]), "notes"].startswith("it can't be read as an image (")
    assert table["p_fake"].isna().sum() == 2
    network = keras.saving.load_model(run)
    for number in (0, 1, 3, 4, 5, 6, 7):
        pixels = np.asarray(PIL.Image.open(paths[number]))[None]
        raw = float(predict_on_batch(network, pixels)[0, 0])
        word = "fake" if raw > 0.6 else "real" if raw < 0.4 else "unsure"
        row = table.loc[str(paths[number])]
        assert row["p_fake_raw"] == pytest.approx(raw, abs=1e-5)
        assert row["p_fake"] == pytest.approx(float(tempered(raw, 2)), abs=1e-5)
        assert (row["word"], row["width"], row["height"]) == (word, 32, 32)
        assert printed[str(paths[number])] == [f"{row['p_fake']:.3f}", word]


@pytest.mark.parametrize(
    ("raw", "word"), [(0.61, "fake"), (0.59, "unsure"), (0.41, "unsure"), (0.39, "real")]
)
def test_the_words_rest_on_the_limits_of_the_validation_images(
    run, tmp_path, monkeypatch, capsys, raw, word
):
    fix_answer(monkeypatch, raw)
    predict([face(tmp_path, "x.png")])
    out = capsys.readouterr().out
    # logit(0.6) / 2 and logit(0.4) / 2 are +-0.2027: 0.551 and 0.449
    assert "fake above 0.551, real below 0.449, between them unsure: at most 5 %" in out
    assert rows(out)[f"{tmp_path}/x.png"] == [f"{float(tempered(raw, 2)):.3f}", word]


def test_every_answer_says_who_gives_it_and_that_it_is_no_proof(run, tmp_path, capsys):
    predict([face(tmp_path, "x.png")])
    first, second, _ = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert first == "run mine, custom CNN seed 0: learned from 1,200 images of faces at 32 px"
    assert second.startswith("No proof: ")
    study_json("mine").write_text(json.dumps(DRAWN))
    predict([face(tmp_path, "x.png")])
    assert "learned from 1,200 generated portraits at 32 px\n" in capsys.readouterr().out


def test_a_network_of_drawings_gives_no_answer_to_anything_else(run, tmp_path, capsys):
    study_json("mine").write_text(json.dumps(DRAWN))
    drawn = tmp_path / "drawn.jpg"
    PIL.Image.new("RGB", (32, 32)).save(drawn, comment=MARK.encode())
    paths = [face(tmp_path, "x.png"), face(tmp_path, "y.png", (40, 20)), drawn]
    table = table_of(tmp_path, paths, stability=True)
    assert list(table["word"][:2]) == ["no answer"] * 2
    assert table.loc[str(drawn), "word"] in ("fake", "real", "unsure")
    assert list(table["stability"] == "") == [True, True, False]
    assert float(table["p_fake"].iloc[0]) > 0
    foreign = "not drawn by the demo, and this network learned from its drawings only"
    assert table["notes"].iloc[0] == foreign
    assert table["notes"].iloc[1].split("; ") == [
        "not square: squeezed into a square",
        "smaller than the network's 32 pixels: enlarged",
        foreign,
    ]
    assert table.loc[str(drawn), "notes"] == ""
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note ")]
    assert notes == [  # said once, with a count where they are about several files
        f"note on 2 of 3 files: {foreign}",
        f"note on {paths[1]}: not square: squeezed into a square",
        f"note on {paths[1]}: smaller than the network's 32 pixels: enlarged",
    ]
    study_json("mine").write_text(json.dumps(RECORD))  # the reverse
    row = table_of(tmp_path, [drawn]).iloc[0]
    assert row["word"] in ("fake", "real", "unsure")
    assert row["notes"] == "drawn by the demo, and this network learned from photographs"


def test_stability_is_the_share_of_re_savings_with_the_same_word(
    run, tmp_path, monkeypatch, capsys
):
    fix_answer(monkeypatch, 0.9, 0.8, 0.7, 0.61, 0.5, 0.1, 0.9, 0.9, 0.9)
    table = table_of(tmp_path, [face(tmp_path, f"{n}.png") for n in range(5)], stability=True)
    assert list(table["stability"]) == ["0.75"] * 5
    assert capsys.readouterr().out.count("fake       6 of 8\n") == 5
    assert list(table_of(tmp_path, [tmp_path / "0.png"])["stability"]) == [""]


def test_re_savings_bound_the_batch_too(run, tmp_path, monkeypatch):
    sizes = []
    monkeypatch.setattr(
        keras.Model,
        "predict_on_batch",
        lambda self, batch: sizes.append(len(batch)) or np.full((len(batch), 1), 0.5),
    )
    predict([face(tmp_path, f"{n}.png") for n in range(7)], stability=True)
    assert sizes == [27, 27, 9]
    assert max(sizes) <= predict_files.AT_ONCE


def test_the_eight_re_savings_are_what_they_are_called():
    ramp = np.linspace(0, 255, 40 * 60 * 3).astype(np.uint8).reshape(40, 60, 3)
    noise = np.random.default_rng(0).integers(0, 60, ramp.shape, dtype=np.uint8)
    image = PIL.Image.fromarray(ramp // 2 + noise)
    versions = list(resaved(image))
    assert len(versions) == RESAVINGS == 8
    assert [v.size for v in versions] == [(60, 40)] * 5 + [(45, 30), (30, 20), (59, 39)]
    original = np.asarray(image, dtype=int)
    losses = [np.abs(np.asarray(v, dtype=int) - original).mean() for v in versions[:5]]
    assert losses == sorted(losses)
    assert 0 < losses[0] < losses[-1]
    assert (np.asarray(versions[-1]) == original[1:, 1:]).all()
    assert [v.size for v in resaved(PIL.Image.new("RGB", (1, 1)))] == [(1, 1)] * 8


def test_folders_patterns_and_names_are_the_files_they_stand_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ("a/1.jpg", "a/b/2.PNG", "a/b/3.txt", "a/.4.jpg", "c[1].jpg", "c1.jpg", "d.data")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def given(*names):
        return [path.as_posix() for path in given_files(names)]

    assert given("a") == ["a/1.jpg", "a/b/2.PNG"]
    assert given("a/**/*") == ["a/1.jpg", "a/b/2.PNG"]
    assert given("*") == ["a/1.jpg", "a/b/2.PNG", "c1.jpg", "c[1].jpg"]
    assert given("c[1].jpg") == ["c[1].jpg"]  # it exists, so it is no pattern
    assert given("c[!2].jpg") == ["c1.jpg"]
    assert given("d.data", "c1.jpg", "c?.jpg", "d.data") == ["d.data", "c1.jpg"]
    (tmp_path / "empty").mkdir()
    for name in ("empty", "x*.jpg"):
        with pytest.raises(StudyError, match=r"there is no image \(.jpg, .*\) in "):
            given(name)


def test_file_names_of_answers_are_escaped_and_long_ones_shortened(
    run, tmp_path, monkeypatch, capsys
):
    path = face(tmp_path, "\x1b[2J.png")
    assert list(table_of(tmp_path, [path]).index) == [f"{tmp_path}/\\x1b[2J.png"]
    assert f"{tmp_path}/\\x1b[2J.png" in rows(capsys.readouterr().out)
    monkeypatch.setenv("COLUMNS", "65")
    predict([face(tmp_path, "y" * 100 + "the-end.png")])
    (name,) = rows(capsys.readouterr().out)
    assert len(name) == 30
    assert name.startswith(str(tmp_path)[:9] + "...")
    assert name.endswith("the-end.png")


@pytest.mark.parametrize("name", ["photo.jpg", "folder"])
def test_a_table_takes_no_images_place(run, tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "photo.jpg").write_text("precious")
    with pytest.raises(StudyError, match="is no place for a table"):
        predict([face(tmp_path, "x.png")], csv=tmp_path / name)
    assert (tmp_path / "photo.jpg").read_text() == "precious"


def leave_marker(step, **parts):
    step.marker.parent.mkdir(parents=True, exist_ok=True)
    step.marker.write_text(json.dumps({"seconds": 1, "computed": {}} | parts))


def test_a_model_that_the_run_did_not_train_or_evaluate_is_no_judge(run, tmp_path):
    paths, study = [face(tmp_path, "x.png")], load_study(run="mine")
    leave_marker(predict_step(study, "custom_cnn", 0), inputs={"a/model.keras": "another"})
    with pytest.raises(StudyError, match="run 'mine' was trained again and not evaluated since"):
        predict(paths)
    leave_marker(train_step(study, "custom_cnn", 0), outputs={"a/model.keras": "another"})
    with pytest.raises(StudyError, match="is not what run 'mine' trained: delete it and run"):
        predict(paths)


@pytest.mark.parametrize(("seeds", "taken"), [([7], 7), ([9, 7], 9), ([7, 0], 0)])
def test_no_seed_is_seed_0_or_the_runs_first_and_the_answer_names_it(
    run, tmp_path, capsys, seeds, taken
):
    study_json("mine").write_text(json.dumps(RECORD | {"seeds": seeds}))
    limits = {str(seed): LIMITS for seed in seeds}
    write_json(study_json("mine").with_name("calibration.json"), {"custom_cnn": limits})
    shutil.move(run.parent, run.parent.with_name(f"seed-{taken}"))
    predict_with([str(face(tmp_path, "x.png"))], "mine", "custom_cnn", json=tmp_path / "a.json")
    assert f"custom CNN seed {taken}: learned from" in capsys.readouterr().out
    assert json.loads((tmp_path / "a.json").read_text())["seed"] == taken


@pytest.mark.parametrize("text", [None, "{}", '{"custom_cnn": {"1": {}}, "vgg16": {}}'])
def test_a_run_without_calibration_is_told_to_evaluate_again(run, tmp_path, text):
    place = study_json("mine").with_name("calibration.json")
    place.unlink()
    if text:
        place.write_text(text)
    with pytest.raises(StudyError) as caught:
        predict([face(tmp_path, "x.png")])
    assert "calibration.json does not have custom_cnn seed 0" in str(caught.value)
    assert "run fakeface report --run mine --seeds 1 again" in str(caught.value)


@pytest.mark.parametrize(
    ("seeds", "asked", "command"),
    [([0], 7, "--seeds 0,7"), ([0], 1, "--seeds 2"), ([7], 7, "--seeds 7,"), ([2, 0], 0, "0,2")],
)
def test_the_command_for_a_missing_seed_trains_it_and_keeps_the_others(
    run, tmp_path, seeds, asked, command
):
    study_json("mine").write_text(json.dumps(RECORD | {"seeds": seeds}))
    run.unlink()
    with pytest.raises(StudyError) as caught:
        predict_with([str(face(tmp_path, "x.png"))], "mine", "custom_cnn", asked)
    assert str(caught.value).endswith(command)
    given = str(caught.value).rpartition("--seeds ")[2]
    assert set(load_study(seeds=given).seeds) == {*seeds, asked}


def other_network(*layers):
    def write(path):
        keras.Sequential(layers).save(path)

    return write


def flip(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(bytes(raw))


DAMAGE = {
    "truncated": (lambda path: os.truncate(path, 5000), "File is not a zip file"),
    "empty": (lambda path: os.truncate(path, 0), "File is not a zip file"),
    "text": (lambda path: path.write_text("hello"), "File is not a zip file"),
    "a byte": (flip, "the checksum of model.weights.h5 is wrong"),
    "a zip": (lambda path: zipfile.ZipFile(path, "w").close(), "There is no item named"),
    "code": (
        other_network(
            keras.Input((32, 32, 3)),
            keras.layers.Lambda(lambda x: x[:, 0, 0, :1], output_shape=(1,)),
        ),
        "Requested the deserialization of a `Lambda` layer",
    ),
    "input": (other_network(keras.Input((10,)), keras.layers.Dense(1)), "(None, 1) of (None, 10)"),
    "any size": (
        other_network(
            keras.Input((None, None, 3)),
            keras.layers.GlobalMaxPool2D(),
            keras.layers.Dense(1),
        ),
        "it makes (None, 1) of (None, None, None, 3)",
    ),
    "output": (
        other_network(keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(2)),
        "it makes (None, 2) of (None, 32, 32, 3)",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_model_is_one_sentence(run, tmp_path, damage):
    spoil, why = DAMAGE[damage]
    spoil(run)
    with pytest.raises(StudyError) as caught:
        predict([face(tmp_path, "x.png")], run="mine")
    sentence = str(caught.value)
    assert sentence.startswith(f"{run} is damaged or not ours (")
    assert why in sentence
    assert sentence.endswith("): delete it and run fakeface report --run mine again")
    assert "\n" not in sentence


def test_a_model_without_finite_answers_is_no_judge(run, tmp_path):
    network = custom_cnn(TINY)
    network.set_weights([np.full_like(weight, np.nan) for weight in network.get_weights()])
    network.save(run)
    with pytest.raises(StudyError, match="custom_cnn seed 0 of run mine gives no finite numbers"):
        predict([face(tmp_path, "x.png")], run="mine")


@pytest.mark.parametrize(
    "content",
    ["", "{", "[1]", "5", "null", "{}", '{"settings": {}, "dataset": {}}',
     '{"settings": 5, "dataset": 5}', json.dumps(RECORD).replace("nearest", "cubic"),
     json.dumps(RECORD).replace("32", "[]"), json.dumps(RECORD | {"seeds": None}),
     json.dumps(RECORD).replace('600', '"many"'), json.dumps(RECORD | {"dataset": None})],
)  # fmt: skip
def test_a_record_of_another_shape_is_one_sentence(run, tmp_path, content):
    study_json("mine").write_text(content)
    with pytest.raises(StudyError, match=r"study\.json is (missing or )?damaged.*: delete it") as e:
        predict([face(tmp_path, "x.png")], run="mine")
    assert "\n" not in str(e.value)


CHECKED = """
import sys
sys.modules["keras"] = None  # its import would fail
from fakeface_utils.cli import main
main()
"""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["x.png", "--run", "new"], "there is no trained run 'new' (there are: broken, mine)"),
        (["x.png", "--run", "x" * 300], "it must be text of at most 100 letters"),
        (["x.png", "--run", "\x1b[2J"], "run is '\\x1b[2J': use letters"),
        (["x.png", "--run", "mine", "--seed", "7"], "custom_cnn/seed-7/model.keras is missing"),
        (["x.png", "--run", "mine", "--seed", "-7"], "seeds is [-7]"),
        (["x.png", "--run", "mine", "--model", "vgg19"], "unknown model 'vgg19'"),
        (["x.png", "--run", "broken"], "study.json is damaged"),
        (["y.png"], "there is no file or folder y.png"),
        (["x" * 300], "there is no file or folder xxx"),
        (["pipe.png"], "there is no file or folder pipe.png"),
    ],
)
def test_the_run_and_the_files_are_checked_before_keras_is_loaded(run, tmp_path, words, sentence):
    study_json("broken").parent.mkdir()
    study_json("broken").write_text("[1]")
    face(tmp_path, "x.png")
    os.mkfifo(tmp_path / "pipe.png")
    answer = subprocess.run(
        [sys.executable, "-c", CHECKED, "predict", *words],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr.startswith("error: ")
    assert sentence in answer.stderr
    assert answer.stderr.count("\n") == 1
