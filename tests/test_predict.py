"""`fakeface predict`: every file gets an answer or a reason, a damaged run one sentence."""

import json
import os
import subprocess
import sys
import zipfile

import keras
import numpy as np
import PIL.Image
import pytest

from fakeface_utils.cli import predict
from fakeface_utils.common.errors import StudyError
from fakeface_utils.networks import predict as predict_module
from fakeface_utils.networks.models import custom_cnn
from fakeface_utils.study.artefacts import seed_dir, study_json
from fakeface_utils.study.settings import Study

RECORD = {"settings": {"resize_filter": "nearest"}, "dataset": {"generated": False}}
TINY = Study(image_size=32, custom_filters=(2, 2, 2), custom_dense=4)


@pytest.fixture
def run(places):
    """A run 'mine' with an untrained model; its model file."""
    path = seed_dir("mine", "custom_cnn", 0) / "model.keras"
    path.parent.mkdir(parents=True)
    custom_cnn(TINY).save(path)
    study_json("mine").write_text(json.dumps(RECORD))
    return path


def face(folder, name, size=(32, 32), seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(folder / name)
    return folder / name


def test_files_are_predicted_in_bounded_batches_and_one_unreadable_stops_no_other(
    run, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(predict_module, "AT_ONCE", 4)
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
        predict(paths, run="mine")
    assert sizes == [3, 4]
    rows = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert list(rows) == list(map(str, paths))
    assert rows[str(paths[2])] == "it can't be read as an image (not an image)"
    assert rows[str(paths[8])].startswith("it can't be read as an image (")
    network = keras.saving.load_model(run)
    for number in (0, 1, 3, 4, 5, 6, 7):
        pixels = np.asarray(PIL.Image.open(paths[number]))[None]
        p_fake = float(predict_on_batch(network, pixels)[0, 0])
        word = "fake" if p_fake >= 0.5 else "real"
        assert rows[str(paths[number])] == f"{word}, p(fake) = {p_fake:.4f}"


def test_what_makes_an_answer_mean_less_is_said(run, tmp_path, capsys):
    study_json("mine").write_text(json.dumps(RECORD | {"dataset": {"generated": True}}))
    predict([face(tmp_path, "x.png", (40, 20))], run="mine")
    assert capsys.readouterr().out.splitlines()[:-1] == [
        f"{tmp_path}/x.png: it is 40 x 20 pixels: it is squeezed into a square",
        f"{tmp_path}/x.png: it is smaller than the network's 32 pixels: it is enlarged",
        f"{tmp_path}/x.png: the run learned from generated portraits: its answer here says nothing",
    ]


def test_file_names_of_answers_are_escaped(run, tmp_path, capsys):
    predict([face(tmp_path, "\x1b[2J.png")], run="mine")
    assert capsys.readouterr().out.startswith(f"{tmp_path}/\\x1b[2J.png: ")


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
     '{"settings": 5, "dataset": 5}', '{"settings": {"resize_filter": "cubic"}, "dataset": {}}',
     '{"settings": {"resize_filter": []}, "dataset": {"generated": false}}',
     '{"settings": {"resize_filter": "nearest"}, "dataset": null}'],
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
        (["x.png", "--run", "new"], "new/custom_cnn/seed-0/model.keras is missing: train it with "),
        (["x.png", "--run", "x" * 300], "model.keras is missing"),
        (["x.png", "--run", "\x1b[2J"], "\\x1b[2J/custom_cnn/seed-0/model.keras is missing"),
        (["x.png", "--run", "mine", "--seed", "7"], "custom_cnn/seed-7/model.keras is missing"),
        (["x.png", "--run", "mine"], "study.json is damaged"),
        (["y.png"], "there is no file y.png"),
        (["x" * 300], "there is no file xxx"),
        (["pipe.png"], "there is no file pipe.png"),
    ],
)
def test_the_run_and_the_files_are_checked_before_keras_is_loaded(run, tmp_path, words, sentence):
    study_json("mine").write_text("[1]")
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
