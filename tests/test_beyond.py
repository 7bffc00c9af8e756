"""All that is measured beyond the paper, on a tiny run of its own, as a user does it."""

from pathlib import Path

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from conftest import TINY
from test_chain import FIGURES, Project

from fakeface_utils.study.beyond import BEYOND
from fakeface_utils.study.beyond_artefacts import BEYOND_FIGURES


def test_what_is_beyond_the_paper_leaves_the_run_as_it_was_and_reaches_the_report(tmp_path):
    project = Project(tmp_path)
    code, output = project.run("report", "--run", "tiny", "--seeds", "1", "--set", TINY)
    assert code == 0, output
    path = project.root / "fakeface_utils" / "study" / "readings.py"
    old = "    for name, question in register().items():\n        for value"
    few = "    for name in ('resize_filter', 'best_weights'):  # two questions take seconds\n"
    new = few + "        question = register()[name]\n        for value"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    own = {path: path.stat().st_mtime_ns for path in project.results.rglob("seed-0/*")}

    code, output = project.run("beyond", "--run", "tiny", "--seeds", "1", "--set", TINY)
    assert code == 0, output
    assert output.count("up to date, skipped") == 5
    assert "(training runs of the custom CNN: 4)" in output
    one = "one seed: the intervals cover the choice of validation images, not run-to-run variation"
    assert one in output
    assert all(path.stat().st_mtime_ns == time for path, time in own.items())
    assert not list((project.results / "ablations").rglob("predictions.csv"))
    assert not list((project.results / "ablations").rglob("model.keras"))

    def kept(folder: Path, rule: str = "val_loss") -> float:
        table = pd.read_csv(folder / "seed-0" / "history.csv")
        row = table["val_loss"].idxmin() if rule == "val_loss" else table["val_accuracy"].idxmax()
        return table.loc[row, "val_accuracy"]

    table = pd.read_csv(project.results / "ablations.csv")
    found = {(r.setting, r.value, r.model): r.difference for r in table.itertuples()}
    expected = {}
    for model in ("custom_cnn", "vgg16"):
        run = project.results / model
        nearest = project.results / "ablations" / "resize_filter=nearest" / model
        expected["resize_filter", "nearest", model] = kept(nearest) - kept(run)
        expected["best_weights", "val_accuracy", model] = kept(run, "val_accuracy") - kept(run)
    assert found == pytest.approx(expected)
    nearest = project.root / "data" / "prepared" / "demo-35px-nearest-24"
    assert sorted(path.name for path in nearest.rglob("features/*/*.npy")) == [
        "train.npy",
        "valid.npy",
    ]
    for name in BEYOND:
        executed = project.results / "notebooks" / f"{name}.ipynb"
        assert "<svg " in executed.read_text()
        assert '"name": "stderr"' not in executed.read_text()
        assert executed.with_suffix(".html").is_file()

    points = pd.read_csv(project.results / "learning_curve.csv")
    assert points["images_per_class"].tolist() == [3, 6, 12, 24] * 2
    assert not list((project.results / "learning_curve").rglob("model.keras"))
    for place, share in enumerate(("0.125", "0.25", "0.5")):
        folder = project.results / "learning_curve" / f"share={share}" / "custom_cnn" / "seed-0"
        table = pd.read_csv(folder / "predictions.csv")
        right = table["label"] == (table["p_fake"] >= 0.5)
        assert points["accuracy"][place] == pytest.approx(right.mean())
    assert "VGG16: no curve: " in output or "VGG16: at 50,000 images of each class" in output

    page = BeautifulSoup((project.results / "report.html").read_text(), "html.parser")
    images = page.find_all("svg")
    assert len(images) == len(FIGURES) + len(BEYOND_FIGURES)
    assert sum("resize_filter=nearest (VGG16)" in image["aria-label"] for image in images) == 1
    assert sum("Test accuracy by training images" in image["aria-label"] for image in images) == 1
    assert "make beyond" not in page.get_text()
