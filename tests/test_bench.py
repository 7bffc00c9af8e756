"""The benchmarks' arithmetic, and that each measures what it says, on a few images."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest

from benchmarks import common, gpu, processor
from benchmarks.__main__ import main
from fakeface_utils.util import ROOT, StudyError

SMALL = {"image_size": 32, "custom_filters": (4, 4, 4), "custom_dense": 8, "vgg16_dense": 8}
ROWS = ["decoding", "custom CNN, training", "custom CNN, predicting", "VGG16, features"]
ROWS += ["VGG16, training", "VGG16, predicting", "the paper's profile, one seed (extrapolated)"]
LEAN = """
import sys
absent = "papermill nbconvert IPython kaggle onnx typer tensorflow keras sklearn scipy matplotlib"
sys.modules |= dict.fromkeys(absent.split())
import benchmarks.__main__, benchmarks.gpu
"""


@pytest.fixture
def few(places, monkeypatch):
    monkeypatch.setattr(common, "DISTINCT", 2)
    with common.places():
        yield common.draw_images(6, 2)


def test_ways_run_in_turn_and_the_first_round_does_not_count():
    said, values = [], {"a": iter([50, 1, 9, 2]), "b": iter([70, 4, 4, 5])}
    ways = [lambda name=name: said.append(name) or next(values[name]) for name in "ab"]
    assert processor.in_turn(3, *ways) == [2, 4]
    assert "".join(said) == "abababab"


@pytest.mark.parametrize(("unit", "ratio"), [("images/s", 4), ("s", 0.25)])
def test_a_ratio_above_one_means_better(unit, ratio):
    assert processor.row("x", unit, ours=8, usual=2)["ratio"] == ratio


def test_a_benchmark_leaves_its_numbers_only(places):
    before = dict(os.environ)
    with common.places():
        common.home("data").mkdir()
        assert common.home("data").is_relative_to(places / "data")
    assert dict(os.environ) == before
    assert list((places / "data").iterdir()) == []
    path = common.written([processor.row("x", "s", 1.0, 2.0)])
    assert json.loads(path.read_text())["results"][0]["ratio"] == 2
    example = next((ROOT / "results" / "examples" / "bench").glob("*.csv"))
    assert [*pd.read_csv(path.with_suffix(".csv"))] == [*pd.read_csv(example)]


def test_images_are_drawn_and_copied_and_both_loaders_read_them(few):
    counts = {path.name: len(list(path.glob("*/*.jpg"))) for path in few.iterdir()}
    assert counts == {"train": 12, "valid": 4, "test": 4}
    fakes = [(few / "train" / "fake" / f"{number}.jpg").read_bytes() for number in range(3)]
    assert fakes[0] == fakes[2] != fakes[1]
    (row,) = processor.loading(few, 32, repeats=1)
    assert row["ratio"] == row["ours"] / row["usual"] > 0


@pytest.mark.slow
def test_both_ways_train(few):
    rows = processor.custom_cnn(few, 32, batch_size=4, repeats=1)
    rows += processor.vgg16(few, 32, batch_size=4)
    assert [row["unit"] for row in rows] == ["images/s", "s", "times"]
    assert min(row["ours"] for row in rows) > 0
    with pytest.raises(StudyError, match=r"benchmarks/plain.py failed: \S"):
        processor.plain_epoch(few / "nowhere", "vgg16", 32, batch_size=4, epochs=2)


@pytest.mark.slow
def test_the_gpu_benchmark_on_a_processor(places, monkeypatch):
    monkeypatch.setattr(common, "DISTINCT", 2)
    rows = gpu.measure((8, 4), batch_size=8, **SMALL)
    assert [r["what"] for r in rows] == [f"{n}, {p}" for p in ("float32", "mixed") for n in ROWS]
    assert min(row["ours"] for row in rows) > 0
    assert not list((places / "data").iterdir())


def test_it_needs_no_notebook_and_no_tensorflow_and_no_gpu_is_one_sentence(monkeypatch):
    answer = subprocess.run([sys.executable, "-c", LEAN], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--gpu"])
    monkeypatch.setattr(gpu, "gpus", lambda: [])
    with pytest.raises(SystemExit, match=r"^error: there is no GPU that the NVIDIA driver shows"):
        main()
