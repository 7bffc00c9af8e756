"""The page on a part of the paper's images says what its tables hold."""

import re

import numpy as np
import pandas as pd

from docs.figures import larger
from fakeface_utils.metrics import Known
from fakeface_utils.models import MODELS
from fakeface_utils.step import read_file
from fakeface_utils.util import ROOT

EXAMPLES = ROOT / "results" / "examples"
PAGES = {
    name: " ".join((ROOT / "docs" / f"{name}.md").read_text().split())
    for name in ("paper_images", "fixed_before", "dataset_card")
}


def test_the_page_has_the_tables_row_by_row():
    page = (ROOT / "docs" / "paper_images.md").read_text().splitlines()
    made = larger.table1_rows() + larger.calibration_rows() + larger.moved_rows()
    for row in (*made, *larger.damage_rows(), *larger.other_rows(), *larger.memory_rows()):
        assert row in page


def test_what_came_out_of_the_statements_on_it_is_the_tables():
    table = larger.cure()
    cropped = table.loc["Cropped 90% (share of the side)"]
    ratio = f"{cropped['loss_all'] / cropped['loss_none']:.2f}"
    at_home = larger.difference(table.loc["Undamaged"])
    found = [
        larger.difference(table.loc[name], "found_")
        for name in ("StyleGAN2, FFHQ", "StyleGAN2, Unsplash", "StyleGAN3")
    ]
    for said in (ratio, at_home, *found):
        assert said in PAGES["fixed_before"]


def test_with_false_alarms_made_equal():
    own = read_file(EXAMPLES / "larger" / "equal_alarms.csv").set_index(["augment", "images"])
    for of, images in (
        ("recall_at_5", "StyleGAN2, FFHQ"),
        ("recall_at_5", "StyleGAN3"),
        ("recall_at_5", "Undamaged"),
        ("auc", "StyleGAN2, FFHQ"),
        ("auc", "Undamaged"),
    ):
        after, before = (own.loc[(augment, images), of] for augment in ("all", "none"))
        assert re.search(f"{after:.3f} [^.;()]*for {before:.3f}", PAGES["paper_images"]), images


def test_memory_on_the_larger_part():
    row = read_file(EXAMPLES / "larger" / "memory.csv").set_index("network").loc["custom CNN"]
    apart = Known(row.difference, row.low, row.high)
    shares = row.recall_in_training, row.recall_others
    said = "finds {:.3f} of them and {:.3f} of the others, a difference of {:+.3f}"
    assert said.format(*shares, apart) in PAGES["dataset_card"]


def test_what_was_forecast_and_what_came():
    law = read_file(EXAMPLES / "laptop" / "learning_curve.json")["custom_cnn"]
    error = [np.interp(5906, law["grid"], law[of]) for of in ("error", "high", "low")]
    assert f"{Known(*(1 - value for value in error)):.3f}" in PAGES["paper_images"]
    assert (
        f"{Known(*(1 - law[of][-1] for of in ('error', 'high', 'low'))):.3f}"
        in PAGES["paper_images"]
    )
    points = read_file(EXAMPLES / "laptop" / "learning_curve.csv")
    for model, name in (("custom_cnn", "custom CNN"), ("vgg16", "VGG16")):
        own = points[points["model"] == model].groupby("images_per_class")["accuracy"].mean()
        assert (
            f"| {name} | {' | '.join(f'{value:.3f}' for value in own)} |" in PAGES["paper_images"]
        )


def test_which_epochs_were_best_and_how_much_is_learned_by_heart():
    for model in MODELS:
        paths = sorted((EXAMPLES / "larger" / model).glob("seed-*/history.csv"))
        histories = [pd.read_csv(path) for path in paths]
        best = ", ".join(str(own["val_loss"].idxmin() + 1) for own in histories)
        assert (
            f"at epoch {best} for VGG16" in PAGES["paper_images"]
            or f"at {best} for" in PAGES["paper_images"]
        )
        last = pd.DataFrame([own.iloc[-1] for own in histories]).mean()
        for share in (last["accuracy"], last["val_accuracy"]):
            assert f"{share:.0%}".replace("%", " %") in PAGES["paper_images"]


def test_the_statements_on_three_seeds():
    table = read_file(EXAMPLES / "larger" / "table1.csv").set_index(["model", "metric"])
    own = table.loc[("custom_cnn", "accuracy"), ["ours_mean", "ci_low", "ci_high"]]
    assert f"{Known(*own):.3f} is the mean of three seeds" in PAGES["fixed_before"]
    moved = read_file(EXAMPLES / "larger" / "moved.csv").set_index(["images", "model"])
    for name, row in moved.loc["Shifted 8 (pixels, of 256)"].iterrows():
        said = f"{Known(row.loss, row.loss_low, row.loss_high):.3f}"
        assert said in PAGES["fixed_before"], name
