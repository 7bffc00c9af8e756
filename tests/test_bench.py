"""The benchmarks' arithmetic, and that each measures what it says, on a few images."""

import functools
import json
import os
import re
import subprocess
import sys

import keras
import pandas as pd
import pytest
from conftest import TINY

from benchmarks import common, elsewhere, gpu, growth, processor
from benchmarks.__main__ import main
from fakeface_utils.common import machine as hardware
from fakeface_utils.common.errors import StudyError
from fakeface_utils.common.files import write_json
from fakeface_utils.common.paths import ROOT
from fakeface_utils.networks.models import architecture, custom_cnn
from fakeface_utils.networks.trained import Trained
from fakeface_utils.run import estimate
from fakeface_utils.run.estimate import (
    bench_json,
    estimate_seconds,
    passes_of,
    print_estimate,
    speeds,
)
from fakeface_utils.study.beyond import beyond_steps
from fakeface_utils.study.elsewhere import images_elsewhere
from fakeface_utils.study.names import MODELS
from fakeface_utils.study.parameters import load_study
from fakeface_utils.study.plan import features_step, train_step
from fakeface_utils.study.settings import Study

SMALL = load_study(data="/rows", run="speed", overrides=TINY)


def test_ways_run_in_turn_and_the_first_round_does_not_count(monkeypatch):
    clock, said = [0.0], []
    monkeypatch.setattr(common.time, "perf_counter", lambda: clock[0])
    durations = {"a": iter([50, 1, 9, 2]), "b": iter([70, 4, 4, 5])}

    def way(name):
        said.append(name)
        clock[0] += next(durations[name])

    found = common.in_turn({name: lambda name=name: way(name) for name in "ab"}, repeats=3)
    assert found == {"a": 2, "b": 4}
    assert "".join(said) == "abababab"


@pytest.mark.parametrize(("unit", "ratio"), [("images/s", 4), ("s", 0.25)])
def test_a_ratio_above_one_means_better(unit, ratio):
    assert common.result("x", unit, ours=8, plain=2)["ratio"] == ratio


def test_a_benchmark_leaves_its_numbers_only(places):
    before = dict(os.environ)
    with common.places():
        common.data_dir().mkdir()
        assert common.data_dir().is_relative_to(places / "data")
    assert dict(os.environ) == before
    assert list((places / "data").iterdir()) == []


@pytest.fixture
def few(places, monkeypatch):
    monkeypatch.setattr(common, "DISTINCT", 2)
    return common.draw_images(6, 2)


def test_images_are_drawn_once_and_copied(few):
    counts = {path.name: len(list(path.glob("*/*.jpg"))) for path in few.iterdir()}
    assert counts == {"train": 12, "valid": 4, "test": 4}
    fakes = [path.read_bytes() for path in sorted((few / "train" / "fake").iterdir())]
    assert fakes[0] == fakes[2] != fakes[1]
    assert common.draw_images(6, 2) == few


def test_every_loader_is_compared(few, monkeypatch):
    seconds = {
        "ours": 1, "Keras' directory loader": 4, "ImageDataGenerator": 0.5, "Pillow, one process": 1
    }  # fmt: skip

    def in_turn(ways, repeats):
        for way in ways.values():
            way()
        return {name: seconds[name] for name in ways}

    monkeypatch.setattr(processor, "in_turn", in_turn)
    rows = processor.loaders(few, 32, repeats=1)
    assert [(row["ours"], row["usual"], row["ratio"]) for row in rows] == [
        (12, 3, 4), (12, 24, 0.5), (12, 12, 1),
    ]  # fmt: skip
    # A quarter of a second is saved for each image; where nothing is, nothing is paid back.
    pays = 4 / rows[0]["preparing_images_per_s"]
    assert rows[0]["paid_for_itself_after_epochs"] == pytest.approx(pays)
    assert [row["paid_for_itself_after_epochs"] for row in rows[1:]] == [None, None]


@pytest.mark.parametrize(("dtype", "apart"), [("float32", 1e-4), ("float16", 0.2)])
def test_heads_on_features_and_end_to_end_learn_the_same(few, monkeypatch, dtype, apart):
    made = functools.partial(processor.study_of, feature_dtype=dtype)
    monkeypatch.setattr(processor, "study_of", made)
    column, _ = processor.vgg16_column(few, 32, batch_size=4, repeats=1)
    assert column["images"] == 12 + 4
    assert column["weights_apart"] < apart  # in float32 rounding only


@pytest.mark.slow
def test_the_plain_script_and_the_growing_numbers_run(few):
    with common.places():
        processor.custom_cnn(few, 32, batch_size=4, epochs=2, repeats=1)
        with pytest.raises(StudyError, match=r"benchmarks/plain.py failed: \S"):
            processor.plain_epoch(few / "nowhere", 32, batch_size=4, epochs=2)
        small, large = growth.growth(few, (40, 80), 32)
    assert (small["images"], large["images"]) == (40, 80)
    assert large["peak_memory"] > 100e6  # TensorFlow alone


def test_the_floor_is_counted_by_hand():
    """One convolution of 2 filters on 4 x 4 pixels of 3 colours, then 5 nodes on 2 x 2 x 2."""
    table = pd.DataFrame(
        {
            "kind": ["Conv2D", "Dense"],
            "output_shape": ["4x4x2", "5"],
            "trainable": [56, 45],
            "multiply_adds": [16 * 27 * 2, 8 * 5],
        }
    )
    forward = gpu.floor(table, batch_size=10, training=False, width=2)
    assert forward == {"operations": 2 * 904 * 10, "bytes": 2 * 32 * 10 * 2}
    training = gpu.floor(table, batch_size=10, training=True, width=2)
    assert training["operations"] == 3 * forward["operations"]
    assert training["bytes"] == 9.5 * 32 * 10 * 2 + 7 * 4 * 101


def test_the_papers_floor_at_224_pixels():
    step = gpu.floor(architecture(custom_cnn(Study())), 100, training=True, width=2)
    assert step["operations"] == pytest.approx(0.9e12, rel=0.01)
    assert step["bytes"] == pytest.approx(10.7e9, rel=0.02)


def test_both_ways_ask_about_every_image(places, few, monkeypatch):
    asked = {"ours": 0, "usual": 0}
    count_ours, count_usual = Trained.p_fake, keras.Model.predict

    def ours(trained, images):
        asked["ours"] += len(images)
        return count_ours(trained, images)

    def usual(network, images, **options):
        asked["usual"] += len(images)
        return count_usual(network, images, **options)

    monkeypatch.setattr(Trained, "p_fake", ours)
    monkeypatch.setattr(keras.Model, "predict", usual)
    row = elsewhere.evaluating(few, 32, repeats=1)
    assert asked["ours"] == asked["usual"] > 0
    assert row["ratio"] == row["ours"] / row["usual"]


def test_the_gpu_benchmark_on_a_processor(places, monkeypatch, capsys):
    counts = {"train": 44, "valid": 8, "test": 8}
    path = gpu.bench_gpu(SMALL, counts, side=64, seconds=0)
    found = json.loads(path.read_text())
    assert found["note"] == "generated images: speed only"
    assert found["epochs"] == 1
    assert found["counts"] == counts
    assert {row["what"].rsplit(", ")[-1] for row in found["steps"]} == {"float32", "mixed"}
    table = architecture(custom_cnn(SMALL))
    for name, width in (("float32", 4), ("mixed", 2)):
        needed = gpu.floor(table, SMALL.batch_size, training=True, width=width)
        reached = found["ceilings"]
        least = max(needed["operations"] / reached[name], needed["bytes"] / reached["bytes"])
        floors = [r["floor"] for r in found["steps"] if re.search(f"training.*{name}", r["what"])]
        assert floors == pytest.approx([least, least])
    assert set(found["chain_s"]) == {
        *(f"{work} {model} seed 0" for work in ("train", "predict") for model in MODELS),
        *(f"VGG16 features of {split}" for split in counts),
    }
    measured, on_it = speeds()
    assert on_it
    assert measured == {work: {35: speed["35"]} for work, speed in found["speeds"].items()}
    assert min(measured["training"][35], measured["forward"][35]) > 0
    assert "equal_precisions" not in found
    assert not list((places / "data").iterdir())


def test_no_gpu_is_one_sentence(monkeypatch):
    monkeypatch.setattr(gpu, "gpus", lambda: [])
    with pytest.raises(StudyError, match="no GPU that the NVIDIA driver shows: run make bench"):
        gpu.bench_gpu()


LEAN = """
import sys
backend = dict.fromkeys(["tensorflow", "keras", "scipy"])  # Keras may need the others
absent = "papermill nbconvert nbformat nbclient IPython ipykernel kaggle onnx h5py"
absent += " sklearn imagehash seaborn matplotlib"
sys.modules |= backend | dict.fromkeys(absent.split())
import benchmarks.gpu
for name in backend:
    del sys.modules[name]
from fakeface_utils.networks import features, predict, training
"""


def test_the_gpu_benchmark_needs_no_notebook_and_no_tensorflow():
    answer = subprocess.run([sys.executable, "-c", LEAN], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


def test_a_persons_mistake_is_a_sentence_of_the_benchmark_too(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--gpu"])
    monkeypatch.setattr(gpu, "gpus", lambda: [])
    with pytest.raises(SystemExit, match=r"^error: there is no GPU"):
        main()


def test_an_estimate_by_hand():
    study = Study(epochs=10, image_size=112)
    known = {"training": {64: 40.0, 224: 4.0}, "forward": {56: 50.0, 224: 2.0}}
    # 112 lies nearer to 64; at 224 and 56 it is as far, and the first is taken.
    training = 10 * (1000 + 300 / 3) * 2 / (40 * (64 / 112) ** 2)
    forward = 1400 / (50 * (56 / 112) ** 2)
    seconds = estimate_seconds(study, {"train": 1000, "valid": 300}, known, 2, through_vgg16=1400)
    assert seconds == pytest.approx(60 + training + forward)
    # What is only looked at costs a third of what is trained on.
    looking = 600 / 3 / (40 * (64 / 112) ** 2)
    seconds = estimate_seconds(study, {"train": 1000, "valid": 300}, known, 0, through_custom=600)
    assert seconds == pytest.approx(60 + looking)


def test_the_estimate_counts_what_each_step_shows_to_the_networks():
    counts = {"train": 1000, "valid": 300, "test": 600}
    study = load_study("demo", seeds=3)
    steps = [
        s for group in beyond_steps(study, "elsewhere robustness insight").values() for s in group
    ]
    shown = {(s.kind, s.model): passes_of(s, counts, 300) for s in steps}
    assert shown["judge", ""] == (900, 300)
    assert shown["damage", ""] == (600, 200)  # 100 of each class, three seeds
    assert shown["maps", "custom_cnn"] == (800, 0)
    assert shown["maps", "vgg16"] == (0, 600)
    assert shown["drawing", ""] == (0, 0)
    assert passes_of(features_step(study, "valid"), counts, 0) == (0, 300)
    assert images_elsewhere(study) == 600


@pytest.mark.parametrize(
    ("gpus", "measured", "sentence"),
    [
        ([], False, "no GPU, 4 cores: {} takes about 1 min (a guess: make bench measures this "
                    "machine)"),
        (["X"], False, "{}: no estimate; make bench GPU=1 measures this GPU"),
        (["X"], True, "X: {} takes about 5 min (by its benchmark)"),
    ],
)  # fmt: skip
def test_the_estimate_is_given_with_its_source(
    places, monkeypatch, capsys, gpus, measured, sentence
):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    for module in (estimate, hardware):
        monkeypatch.setattr(module, "gpus", lambda: gpus)
    if measured:
        write_json(bench_json(), {"speeds": {"training": {64: 10}, "forward": {64: 10}}})
    study = Study(epochs=1, image_size=64)
    counts = {"train": 1000, "valid": 300, "test": 200}
    left = [train_step(study, "custom_cnn", seed) for seed in (0, 1)]
    left += [train_step(study, "vgg16", 0), features_step(study, "test")]
    print_estimate("all", study, counts, left)
    work = "all (training runs of the custom CNN: 2)"
    assert capsys.readouterr().out == sentence.format(work) + "\n"


def test_where_nothing_is_left_no_time_is_given(capsys):
    print_estimate("all", Study(), {}, [])
    assert capsys.readouterr().out == ""
