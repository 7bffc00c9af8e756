"""What the notebooks show beside the report's figures: tables in words, one picture an idea."""

import html
import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from fakeface_utils.common.files import write_csv, write_json
from fakeface_utils.notebook import settings
from fakeface_utils.report import lessons
from fakeface_utils.study.artefacts import dataset_json, history_csv, predictions_csv
from fakeface_utils.study.parameters import load_study
from fakeface_utils.study.settings import Study

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


def a_run(generated=True, seeds=2):
    """A study whose histories say: validation loss lowest at epoch 2, 0.5 less a tenth a seed."""
    study = load_study(run="lesson", seeds=seeds)
    counts = {split: {"real": 4, "fake": 4} for split in ("train", "valid", "test")}
    about = {"name": "x", "generated": generated, "counts": counts}
    write_json(dataset_json(study), {**about, "fingerprint": "f", "unreadable": {}, "left_out": ""})
    for seed in study.seeds:
        history = pd.DataFrame({"epoch": [1, 2, 3], "loss": [0.9, 0.4, 0.2]})
        history["val_loss"] = np.array([0.8, 0.5, 0.7]) - seed / 10
        history = history.assign(accuracy=0.9, val_accuracy=0.8 + seed / 10, learning_rate=1e-4)
        write_csv(history_csv(study.run, "vgg16", seed), history.assign(seconds=1.0))
    return study


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    yield
    plt.close("all")


def cells_of(html):
    """The texts of a table's cells, row by row, its head first."""
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.S)
    texts = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S) for row in rows]
    return [[re.sub("<.*?>", "", text).strip() for text in row] for row in texts]


def test_a_table_says_columns_and_models_in_words_and_writes_numbers_alike():
    frame = pd.DataFrame(
        {
            "model": ["vgg16", "custom_cnn"],
            "multiply_adds": [1234567, 0],
            "val_loss": [0.5, np.nan],
            "learning_rate": [9.96e-5, 0.01],
        },
        index=[7, 8],
    )
    html = lessons.table(frame, "What <it> shows").data
    assert "<caption><span>What &lt;it&gt; shows</span></caption>" in html
    assert cells_of(html) == [
        ["model", "multiply-adds", "validation loss", "learning rate"],
        ["VGG16", "1,234,567", "0.5000", "9.96e-05"],
        ["custom CNN", "0", "", "0.01"],
    ]
    assert list(frame.columns) == ["model", "multiply_adds", "val_loss", "learning_rate"]


def test_the_settings_are_shown_in_full_or_as_one_line():
    study = load_study("demo")
    differing, everything = len(study.differences()), len(study.table())
    folded = html.unescape(settings(study, folded=True).data)
    assert folded.startswith(
        f"<details><summary>{differing} settings differ from the paper's</summary>"
    )
    assert len(cells_of(folded)) == 1 + differing
    full = settings(study).data
    table, _, rest = full.partition("<details>")
    assert len(cells_of(table)) == 1 + differing
    assert rest.startswith(f"<summary>All {everything} settings</summary>")
    assert len(cells_of(rest)) == 1 + everything
    one = Study(epochs=3)
    assert "<summary>1 setting differs from" in settings(one, folded=True).data


def test_the_demos_trace_repeats_every_four_pixels(places):
    figure, text = lessons.demo_trace(a_run())
    real, fake, added = (axis.images[0].get_array().astype(int) for axis in figure.axes)
    difference = fake - real
    assert f"differ by {np.abs(difference).mean():.1f} of 255" in text
    assert np.array_equal(added, np.clip(128 + lessons.STRONGER * difference, 0, 255))
    power = np.abs(np.fft.rfft(difference[..., 1].mean(axis=0)))
    assert 1 + power[1:].argmax() == lessons.SIDE / 4


def test_the_trace_is_no_lesson_on_other_images(places):
    figure, text = lessons.demo_trace(a_run(generated=False))
    assert figure is None
    assert text.startswith("This part is about the demo's generated images.")
    assert not plt.get_fignums()


def test_nine_in_ten_counts_the_outputs_around_it(places):
    study = a_run()
    outputs = [0.86, 0.87, 0.9, 0.9, 0.93, 0.94, 0.1, 0.5]  # four from 13 to 14 fifteenths
    labels = [0, 1, 1, 0, 1, 0, 1, 1]
    table = pd.DataFrame({"path": "a", "label": labels, "p_fake": outputs})
    write_csv(predictions_csv(study.run, "custom_cnn", 0), table)
    write_csv(predictions_csv(study.run, "vgg16", 0), table.assign(p_fake=0.2))
    custom_cnn, vgg16 = lessons.nine_in_ten(study).splitlines()
    assert "4 test images have a p(fake) from 0.87 to 0.93; 3 of them are fakes, 75%" in custom_cnn
    assert "(95 % interval 30% to 95%)" in custom_cnn  # Wilson's, of 3 in 4
    assert vgg16 == "VGG16, seed 0: 0 test images have a p(fake) from 0.87 to 0.93."


def test_overfitting_is_drawn_for_the_first_seed(places):
    figure, text = lessons.overfitting(a_run(), "vgg16")
    assert "lowest at epoch 2 of 3, 0.500. In the last epoch 0.200 in training and 0.700" in text
    loss, val_loss, lowest = figure.axes[0].lines
    assert list(loss.get_ydata()) == [0.9, 0.4, 0.2]
    assert list(val_loss.get_ydata()) == pytest.approx([0.8, 0.5, 0.7])
    assert lowest.get_xydata().tolist() == [[2, 0.5]]
    assert text.endswith(
        "0.200 above the lowest, after 1 epoch, too few to tell a rise from noise."
    )


@pytest.mark.parametrize(
    ("val_loss", "sentence"),
    [
        ([0.8, 0.5, 0.4], "lowest is the last epoch's: no overfitting shows in this training run"),
        ([0.4, 0.5, 0.7], "The last epoch's is 0.300 above the lowest, after 2 epochs."),
    ],
)
def test_where_overfitting_begins_is_told_by_the_numbers(places, val_loss, sentence):
    study = a_run()
    place = history_csv(study.run, "vgg16", 0)
    write_csv(place, pd.read_csv(place).assign(val_loss=val_loss))
    assert sentence in lessons.overfitting(study, "vgg16")[1]


def test_a_run_that_diverged_at_once_is_drawn_too(places):
    study = a_run()
    rows = pd.DataFrame({"epoch": [1], "loss": [np.nan], "accuracy": 0.5, "val_loss": [np.nan]})
    rows = rows.assign(val_accuracy=0.5, learning_rate=1.0, seconds=1.0)
    write_csv(history_csv(study.run, "vgg16", 0), rows)
    _, text = lessons.overfitting(study, "vgg16")
    assert "lowest at epoch 1 of 1, nan" in text
    assert "overfitting" not in text


def test_every_seed_has_a_thick_line_and_its_name_the_highest_first(places):
    figure, text = lessons.seeds_apart(a_run(seeds=3), "vgg16")
    lines = figure.axes[0].lines
    names = ["seed 2: 1.000", "seed 1: 0.900", "seed 0: 0.800"]
    assert [line.get_label() for line in lines] == names
    assert [text.get_text() for text in figure.legends[0].get_texts()] == names
    assert all(line.get_linewidth() >= 2 for line in lines)
    looks = {(line.get_linestyle(), line.get_marker(), line.get_color()) for line in lines}
    assert len(looks) == 3
    assert "from 0.800 to 1.000 over 3 seeds" in text


def code_of(path):
    cells = json.loads(path.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_the_lessons_show_no_figure_twice():
    """A figure function draws one picture; `figure(study, name, ...)` shows a saved one."""
    same = {
        "curves": ("figure3_vgg16", "figure4_custom_cnn"),
        "samples": ("figure1_samples",),
        "network_diagram": ("figure2_architecture",),
        "reliability_diagram": ("reliability",),
    }
    shown = []
    for path in NOTEBOOKS[:5]:
        for code in code_of(path):
            for name, arguments in re.findall(r"figure, text = (?:lessons\.)?(\w+)\((.*)\)", code):
                shown += same.get(name, [f"{name} {arguments}" if "," in arguments else name])
            shown += re.findall(r'^figure\(study, "(\w+)"', code, re.M)
    assert {"figure1_samples", "figure4_custom_cnn", "roc", "reliability"} <= set(shown)
    assert len(shown) == len(set(shown)), shown


def test_only_the_first_notebook_shows_the_settings_in_full():
    for path in NOTEBOOKS:
        (call,) = re.findall(r"^settings\(study.*\)$", "\n".join(code_of(path)), re.M)
        if path.stem != "06_report":
            full = path is NOTEBOOKS[0]
            assert call == f"settings(study{'' if full else ', folded=True'})", path
