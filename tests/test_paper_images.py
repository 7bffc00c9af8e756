"""The page on a part of the paper's images says what its tables hold."""

import re

import numpy as np
import pandas as pd
import pytest

from docs.figures import cure
from fakeface_utils.step import read_file
from fakeface_utils.util import ROOT

EXAMPLES = ROOT / "results" / "examples"
PAGES = {
    name: " ".join((ROOT / "docs" / f"{name}.md").read_text().split())
    for name in ("paper_images", "fixed_before", "dataset_card")
}


def test_the_page_has_what_augmentation_changes_row_by_row():
    page = (ROOT / "docs" / "paper_images.md").read_text().splitlines()
    for row in (*cure.damage_rows(), *cure.other_rows()):
        assert row in page


def test_what_came_out_of_the_statements_on_it_is_the_tables():
    table = cure.cure()
    cropped = table.loc["Cropped 90% (share of the side)"]
    ratio = f"{cropped['loss_all'] / cropped['loss_none']:.2f}"
    at_home = cure.difference(table.loc["Undamaged"])
    found = [
        cure.difference(table.loc[name], "found_")
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


@pytest.mark.parametrize("page", ["paper_images", "dataset_card"])
def test_memory_on_the_larger_part(page):
    own = read_file(EXAMPLES / "larger" / "memory.csv").set_index("network")
    row = own.loc["custom CNN, augment none"]
    said = f"{row.difference:+.3f} ({row.low:+.3f} to {row.high:+.3f})"
    shares = [f"{row[f'recall_{of}']:.3f}" for of in ("in_training", "others")]
    assert f"finds {shares[0]} of them and {shares[1]} of the others" in PAGES[page]
    assert said in PAGES[page]


def test_the_curve_and_the_larger_run():
    law = read_file(EXAMPLES / "laptop" / "learning_curve.json")["custom_cnn"]
    error = [np.interp(5906, law["grid"], law[of]) for of in ("error", "high", "low")]
    said = "{:.3f} ({:.3f} to {:.3f})".format(*(1 - value for value in error))
    assert said in PAGES["paper_images"]
    accuracy = cure.cure().loc["Undamaged", "accuracy_none"]
    assert f"right on {accuracy:.4f}" in PAGES["paper_images"]
    history = pd.read_csv(EXAMPLES / "larger" / "history_none.csv")
    last = history.iloc[-1]
    assert history["val_loss"].idxmin() == 6  # the seventh epoch
    assert (
        f"{last.accuracy:.0%} of the training and {last.val_accuracy:.0%}".replace("%", " %")
        in PAGES["paper_images"]
    )
