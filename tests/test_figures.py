"""The look that all figures share, their files, what they show; and the lessons' figures."""

import inspect
import itertools
import json
import os
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import PIL.Image
import pytest
from matplotlib.colors import to_rgb

from classroom import lessons
from conftest import html
from fakeface_utils import evaluate, report
from fakeface_utils import figures as drawing
from fakeface_utils.figures import (
    FULL,
    HALF,
    LOOKS,
    OTHERS,
    PAPERS,
    inline,
    looks_of,
    picture,
    save,
)
from fakeface_utils.models import MODELS, Model
from fakeface_utils.paper import METRICS, TABLE1
from fakeface_utils.run import load_study
from fakeface_utils.step import read_file
from fakeface_utils.util import ROOT, sha256

THIRD = Model("third", "02_custom_cnn")


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    yield
    plt.close("all")


SHOWN = 'what "it" shows, e.g. Perišić'


def drawn(width=HALF):
    shape, (line, photograph) = plt.subplots(1, 2, figsize=(width, 2))
    line.plot([0.1, 0.9], label="a <b> & more", **LOOKS["valid"])
    line.legend()
    photograph.imshow(np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8))
    return shape, SHOWN


def test_the_same_data_gives_the_same_files_with_its_words_and_no_date(tmp_path):
    files = [tmp_path / f"x.{kind}" for kind in ("png", "pdf")]
    save(tmp_path, "x", drawn())
    once = [path.read_bytes() for path in files]
    save(tmp_path, "x", drawn())
    assert [path.read_bytes() for path in files] == once
    assert b"CreationDate" not in once[1]
    with PIL.Image.open(files[0]) as image:
        assert {k: v for k, v in image.info.items() if k != "dpi"} == {"Description": SHOWN}


def test_a_picture_is_an_image_with_its_words_its_caption_and_its_width(places):
    study = load_study("demo")
    study.figures.mkdir(parents=True)
    for width, kind in ((HALF, "half"), (FULL, "full")):
        save(study.figures, "x", drawn(width))
        shown = html(picture(study, "x", "a < b", "about <it>"))
        assert shown.figure["class"] == [kind]
        assert shown.img["alt"] == SHOWN
        assert int(shown.img["width"]) == pytest.approx(100 * width)
        assert shown.img["src"].startswith("data:image/png;base64,")
        assert shown.figcaption.text == "a < b"
        assert shown.details.p.text == "about <it>"
    assert "<details" not in picture(study, "x", "").data


def test_what_a_notebook_alone_shows_is_said_in_words_below_it():
    shown = html(inline(drawn()))
    assert shown.img["alt"] == shown.figcaption.text == SHOWN
    assert not plt.get_fignums()  # or the notebook would show it twice


def drawn_files(out, put=setattr):
    """Texts of Table 1 and digests of two figures, drawn from the demo's example."""
    study = load_study(seeds=5).model_copy(update={"run": "examples/demo"})
    for module in (evaluate, drawing, report):
        put(module, "table1", lambda study: read_file(study.results / "table1.csv"))
    put(report, "not_comparable", lambda study: "a mark")
    put(drawing, "mark", lambda study: "a mark")
    save(out, "forest", drawing.forest(study))
    save(out, "curves", drawing.curves(study, "vgg16"))
    digests = [sha256(path.read_bytes()) for path in sorted(out.glob("*.p*"))]
    return [evaluate.printed_table1(study), report.verdicts(study).data, *digests]


SETTINGS = """
import json, sys
from pathlib import Path
import pandas as pd
for name, value in json.loads(sys.argv[1]).items():
    pd.set_option(name, value)
from fakeface_utils import evaluate, figures as drawing, report
from fakeface_utils.figures import save
from fakeface_utils.run import load_study
from fakeface_utils.step import read_file
from fakeface_utils.util import sha256
{}
print(json.dumps(drawn_files(Path(sys.argv[2]))))
"""
RC = {  # what a person may have in a matplotlibrc
    "backend": "TkAgg", "font.family": "serif", "font.size": 20, "text.color": "red",
    "lines.linewidth": 9, "savefig.bbox": "tight", "savefig.transparent": True,
    "axes.formatter.use_locale": True, "axes.xmargin": 0.4, "axes.spines.left": False,
}  # fmt: skip
PANDAS = {
    "display.precision": 1, "display.max_rows": 2, "display.max_columns": 2, "display.width": 20,
    "display.max_colwidth": 4, "display.chop_threshold": 0.9, "display.colheader_justify": "left",
    "display.show_dimensions": True, "mode.copy_on_write": True, "future.infer_string": True,
}  # fmt: skip


def test_a_persons_own_settings_of_matplotlib_and_pandas_change_nothing(tmp_path, monkeypatch):
    (tmp_path / "own").mkdir()
    (tmp_path / "matplotlibrc").write_text("\n".join(f"{k}: {v}" for k, v in RC.items()))
    kept = {k: v for k, v in os.environ.items() if k not in ("MPLBACKEND", "DISPLAY")}
    own = kept | {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}
    code = SETTINGS.format(inspect.getsource(drawn_files))
    command = [sys.executable, "-c", code, json.dumps(PANDAS), str(tmp_path / "own")]
    said = json.loads(subprocess.check_output(command, env=own, cwd=ROOT, text=True))
    assert said == drawn_files(tmp_path, monkeypatch.setattr)
    assert "0.9550" in said[0]


def luminance(colour):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *itertools.combinations(PAPERS + OTHERS, 2),
        (LOOKS["train"], LOOKS["valid"]),
        (LOOKS["real"], LOOKS["fake"]),
    ],
)
def test_two_that_stand_together_differ_without_colour_and_are_seen_on_white(one, other):
    assert one["marker"] != other["marker"]
    assert one["ls"] != other["ls"]
    for look in (one, other):
        assert 1.05 / (luminance(look["color"]) + 0.05) >= 3


def test_networks_more_have_looks_of_their_own_and_change_none_of_the_papers(monkeypatch):
    study, names = load_study("paper"), ["third", "4th", "5th", "6th"]
    before = looks_of(study)
    more = dict.fromkeys(names, THIRD) | dict(MODELS)  # as if they stood above the paper's
    monkeypatch.setattr("fakeface_utils.settings.MODELS", more)
    assert looks_of(study) == before | dict(zip(names, (*OTHERS, OTHERS[0]), strict=True))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "n" * 40),
        (("one seed", ""), f"one seed; {'n' * 40}"),
        (("w" * 30,), f"{'w' * 30}\n{'n' * 40}"),
        (("w " * 50,), f"{('w ' * 34)[:-1]}\n{('w ' * 16)[:-1]}\n{'n' * 40}"),
    ],
)
def test_the_words_above_are_broken_between_parts(monkeypatch, words, expected):
    monkeypatch.setattr(drawing, "mark", lambda study: "n" * 40)
    shape = plt.figure(figsize=(HALF, 1))
    drawing.title(shape, None, *words)
    assert shape.get_suptitle() == expected


def a_table1(*verdicts):
    """Table 1 with a verdict for each model."""
    return pd.DataFrame(
        [
            {
                "model": model, "metric": metric, "ours_mean": 0.95, "ours_sd": 0.01,
                "paper": 0.97 if model in TABLE1 else np.nan, "verdict": verdict,
                "predicted_low": 0.92, "predicted_high": 1.02, "ci_low": 0.94, "ci_high": 0.96,
            }
            for model, verdict in zip(MODELS, verdicts, strict=True)
            for metric in METRICS
        ]
    )  # fmt: skip


def test_a_network_that_is_not_in_the_paper_is_in_every_figure_without_a_verdict(monkeypatch):
    monkeypatch.setitem(MODELS, "third", THIRD)
    made = [{"model": m, **dict.fromkeys(METRICS, v)} for v in (0.94, 0.96) for m in MODELS]
    told = a_table1("not reproduced", "not comparable (one seed)", "not in the paper")
    monkeypatch.setattr(drawing, "table1", lambda study: told)
    monkeypatch.setattr(drawing, "by_seed", lambda study: pd.DataFrame(made))
    monkeypatch.setattr(drawing, "mark", lambda study: "")
    figure, alternative = drawing.forest(load_study("paper", seeds=2))
    axis = figure.axes[0]
    texts = [text.get_text() for text in axis.texts]
    counts = [texts.count(text) for text in ("0.950", "0.970", "✗ not reproduced", "verdict")]
    assert counts == [12, 8, 4, 1]
    assert "custom CNN accuracy 0.950, paper 0.970, ✗ not reproduced; " in alternative
    assert "VGG16 accuracy 0.950, paper 0.970; " in alternative
    assert "third accuracy 0.950; " in alternative
    lines = {tuple(line.get_xdata()) for line in axis.lines}
    assert {(0.92, 1), (0.94, 0.96), (0.97,)} <= lines  # cut at 1
    assert [label.get_text() for label in axis.get_yticklabels()] == [*METRICS] * 3
    names = [*drawing.of_numbers(load_study("paper"))]
    assert names[2:] == ["figure4_custom_cnn", "figure3_vgg16", "curves_third"]


def histories_of(monkeypatch, *val_losses, accuracy=0.9, reached=0.8):
    """Histories of some seeds, from their validation losses; training loss falls."""
    tables = [
        pd.DataFrame({"epoch": range(1, 1 + len(losses)), "val_loss": losses}).assign(
            seed=seed, loss=np.linspace(0.9, 0.2, len(losses)), accuracy=accuracy,
            val_accuracy=reached + seed / 10, learning_rate=1e-4, seconds=1.0,
        )
        for seed, losses in enumerate(val_losses)
    ]  # fmt: skip
    for module in (drawing, lessons):
        monkeypatch.setattr(module, "histories", lambda study, model: pd.concat(tables))
    monkeypatch.setattr(drawing, "mark", lambda study: "")
    return load_study("paper", seeds=len(val_losses))


@pytest.mark.parametrize(
    ("val_losses", "best"),
    [
        (([0.8, 0.5, 0.7], [0.8, 0.6, 0.3]), 3),
        (([0.8, 0.5, 0.7], [0.8, np.nan, np.nan]), 2),
        (([np.nan, np.nan], [np.nan, np.nan]), 1),
    ],
)
def test_curves_mark_the_lowest_mean_loss_and_the_papers_epoch(monkeypatch, val_losses, best):
    study = histories_of(monkeypatch, *val_losses)
    figure, words = drawing.curves(study, "vgg16")
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[-2:] == ["the paper's best epoch: 7", f"lowest mean validation loss: {best}"]
    assert f"lowest at epoch {best} (paper: 7)" in words
    assert [axis.get_ylabel() for axis in figure.axes] == ["accuracy (share)", "loss (nats)"]


# The lessons.


def cells_of(shown):
    rows = html(shown).find_all("tr")
    return [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in rows]


def test_a_table_says_columns_and_models_in_words_and_writes_numbers_alike():
    frame = pd.DataFrame(
        {
            "model": ["vgg16", "custom_cnn"],
            "multiply_adds": [1234567, 0],
            "val_loss": [0.5, np.nan],
            "learning_rate": [9.96e-5, 0.01],
            "seconds": [1.234, 100.0],
        },
        index=[7, 8],
    )
    assert cells_of(lessons.table(frame, "What <it> shows")) == [
        ["model", "multiply-adds", "validation loss", "learning rate", "seconds"],
        ["VGG16", "1,234,567", "0.5000", "9.96e-05", "1.2"],
        ["custom CNN", "0", "", "0.0100", "100.0"],
    ]
    assert "What &lt;it&gt; shows" in lessons.table(frame, "What <it> shows").data
    assert "val_loss" in frame.columns


def test_the_demos_trace_repeats_every_four_pixels_and_is_no_lesson_on_other_images(monkeypatch):
    monkeypatch.setattr(lessons, "about", lambda study: {"generated": True})
    figure, words = lessons.demo_trace(None)
    real, fake, added = (axis.images[0].get_array().astype(int) for axis in figure.axes)
    difference = fake - real
    assert f"differ by {np.abs(difference).mean():.1f} of 255" in words
    assert np.array_equal(added, np.clip(128 + lessons.STRONGER * difference, 0, 255))
    power = np.abs(np.fft.rfft(difference[..., 1].mean(axis=0)))
    assert 1 + power[1:].argmax() == lessons.SIDE / 4
    monkeypatch.setattr(lessons, "about", lambda study: {"generated": False})
    assert lessons.demo_trace(None) is None


def test_the_learning_rate_falls_by_each_reading(monkeypatch):
    counts = {"train": {"fake": 500, "real": 500}}
    monkeypatch.setattr(lessons, "about", lambda study: {"counts": counts})
    figure, words = lessons.learning_rates(load_study("demo"), "custom_cnn")
    assert [axis.get_title("left") for axis in figure.axes] == ["the paper", "this run"]
    for axis in figure.axes:
        per_step, linear, per_epoch, none = (line.get_ydata() for line in axis.lines)
        assert none[0] == none[-1] == per_step[0] == linear[0] == per_epoch[0]
        assert linear[-1] < per_step[-1] < per_epoch[-1] < none[-1]
    assert "the paper, inverse time per step (chosen): 0.000909" in words  # 0.01 / 11


STUDENTS = [0.62, 0.58, 0.57, 0.5436, 0.545, 0.548, 0.546, 0.544, 0.5438, 0.5431]


@pytest.mark.parametrize(
    ("losses", "accuracy", "sentence"),
    [
        ([0.8, 0.5, 0.4], 0.85, "Validation loss still falls, and the accuracies are close"),
        ([0.8, 0.41, 0.4], 0.85, "loss hardly moves from epoch 2 on, and the accuracies"),
        ([0.8, 0.5, 0.4], 0.95, "still falls and doesn't rise; but the accuracies are 0.16 apart"),
        # As VGG16's head did on the demo once: the lowest is the last by 0.0005.
        (STUDENTS, 0.892, "hardly moves from epoch 4 on and doesn't rise; but the accuracies are"),
        (STUDENTS[::-1], 0.55, "as by guessing: it has hardly learned anything yet"),
        ([0.69, 0.7], 0.5, "as by guessing: it has hardly learned anything yet"),
        ([0.4, 0.5, 0.7], 0.9, "Validation loss is 0.300 above its lowest, 2 epochs later."),
        ([0.8, 0.5, 0.7], 0.9, "above its lowest, one epoch later: too few to tell a rise from"),
        ([0.8, 0.5, 0.505], 0.95, "hardly moves from epoch 2 on and doesn't rise; but the acc"),
        ([np.nan], 0.9, "lowest at epoch 1 of 1, nan"),
    ],
)
def test_where_overfitting_begins_is_told_by_the_numbers(monkeypatch, losses, accuracy, sentence):
    study = histories_of(monkeypatch, losses, accuracy=accuracy, reached=0.79)
    figure, words = lessons.overfitting(study, "vgg16")
    np.testing.assert_equal(figure.axes[0].lines[1].get_ydata(), losses)
    np.testing.assert_equal(figure.axes[0].lines[2].get_ydata(), [np.min(losses)])
    assert sentence in words


def test_every_seed_has_a_line_of_its_own_and_its_name_the_highest_first(monkeypatch):
    study = histories_of(monkeypatch, [0.8, 0.7], [0.8, 0.7], [0.8, 0.7])
    figure, words = lessons.seeds_apart(study, "vgg16")
    lines = figure.axes[0].lines
    names = ["seed 2: 1.000", "seed 1: 0.900", "seed 0: 0.800"]
    assert [line.get_label() for line in lines] == names
    assert len({(line.get_linestyle(), line.get_marker(), line.get_color()) for line in lines}) == 3
    assert "from 0.800 to 1.000 over 3 seeds" in words


def test_the_surest_mistakes_are_the_furthest_from_the_truth(monkeypatch):
    outputs = pd.DataFrame({"label": [1, 1, 1, 0, 0], "p_fake": [0.4, 0.1, 0.9, 0.2, 0.7]}).assign(
        model="vgg16", seed=0
    )
    pixels = np.arange(5, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    monkeypatch.setattr(lessons, "predictions", lambda study: outputs)
    monkeypatch.setattr(lessons, "images", lambda study, split: pixels)
    monkeypatch.setattr(drawing, "mark", lambda study: "")
    figure, words = lessons.surest_mistakes(load_study("paper"), "vgg16")
    shown = [int(axis.images[0].get_array()[0, 0, 0]) for axis in figure.axes if axis.images]
    assert shown == [1, 0, 4]
    assert words.endswith("2 of 3 fakes called real, 1 of 2 real faces called fake.")
