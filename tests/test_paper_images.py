"""The page on a part of the paper's images says what its tables hold."""

import re

import numpy as np
import pandas as pd
import PIL.Image

from docs.figures import larger
from fakeface_utils.metrics import Known, share_of
from fakeface_utils.models import MODELS, titled
from fakeface_utils.settings import PROFILES, Study
from fakeface_utils.step import read_file
from fakeface_utils.util import ROOT

EXAMPLES = ROOT / "results" / "examples"
PAGES = {
    name: " ".join((ROOT / "docs" / f"{name}.md").read_text().split())
    for name in ("paper_images", "fixed_before", "dataset_card", "model_card")
}


def test_the_page_has_the_tables_row_by_row():
    page = (ROOT / "docs" / "paper_images.md").read_text().splitlines()
    made = larger.table1_rows() + larger.calibration_rows() + larger.moved_rows()
    for row in (
        *made,
        *larger.damage_rows(),
        *larger.other_rows(),
        *larger.memory_rows(),
        *larger.without_leaks_rows(),
    ):
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
    for model, own in larger.points().groupby("model"):
        means = own.groupby("images_per_class")["accuracy"].mean()
        row = f"| {titled(model)} | {' | '.join(f'{value:.3f}' for value in means)} |"
        assert row in PAGES["paper_images"]


def test_the_figures_show_what_the_tables_hold():
    for name, drawn in (
        ("laptop/learning_curve", larger.draw_curve()),
        ("others/moved", larger.draw_moved()),
    ):
        with PIL.Image.open(ROOT / "figures" / "examples" / f"{name}.png") as picture:
            assert picture.info["Description"] == drawn[1]


def share(value):
    return f"{value:.0%}".replace("%", " %")


def test_which_epochs_were_best_and_how_much_is_learned_by_heart():
    best, last = {}, {}
    for model in MODELS:
        paths = sorted((EXAMPLES / "larger" / model).glob("seed-*/history.csv"))
        histories = [pd.read_csv(path) for path in paths]
        best[model] = ", ".join(str(own["val_loss"].idxmin() + 1) for own in histories)
        means = pd.DataFrame([own.iloc[-1] for own in histories]).mean()
        last[model] = share(means["accuracy"]), share(means["val_accuracy"])
    said = f"at epoch {best['vgg16']} for VGG16, seed by seed, and at {best['custom_cnn']} for the"
    assert said in PAGES["paper_images"]
    own, other = last["custom_cnn"], last["vgg16"]
    said = f"is right on {own[0]} of the training and {own[1]} of the validation images, VGG16 on "
    assert f"{said}{other[0]} and {other[1]}." in PAGES["paper_images"]


def test_the_augmented_network_had_not_learned_all_it_could():
    moved = pd.read_csv(EXAMPLES / "larger" / "history_all.csv")
    assert moved["val_loss"].idxmin() == len(moved) - 1
    still = pd.read_csv(EXAMPLES / "larger" / "custom_cnn" / "seed-0" / "history.csv")
    seen = [share(own["accuracy"].iloc[-1]) for own in (moved, still)]
    said = f"right on {seen[0]} of its training images as they were moved, the other on {seen[1]}"
    assert said in PAGES["paper_images"]


def test_runs_that_are_set_beside_each_other_were_asked_about_the_same_images():
    paths = [
        *EXAMPLES.glob("larger/*/seed-*/predictions.csv"),
        *EXAMPLES.glob("clean/*/seed-*/pred*"),
    ]
    paths += EXAMPLES.glob("regime/*/seed-*/predictions.csv")
    asked = [pd.read_csv(path).set_index("path")["label"].sort_index() for path in paths]
    assert len(asked) == 6 + 3 + 1
    assert all(labels.equals(asked[0]) for labels in asked)


def test_the_papers_regime():
    regime, readme = EXAMPLES / "regime", (ROOT / "README.md").read_text()
    here, paper = read_file(regime / "study.json")["settings"], Study(**PROFILES["paper"])
    names = "learning_rate", "learning_rate_decay", "batch_size", "batch_norm_momentum", "epochs"
    assert {name: here[name] for name in names} == paper.of(*names)
    seed = regime / "custom_cnn" / "seed-0"
    history = pd.read_csv(seed / "history.csv").set_index("epoch")
    answers = pd.read_csv(seed / "predictions.csv")
    right = ((answers["p_fake"] >= 0.5) == (answers["label"] == 1)).to_numpy()
    own, measured = share_of(right[None]), history["val_accuracy"]
    best, worst = history["val_loss"].idxmin(), measured.idxmin()
    assert (len(history), worst) == (15, 7)
    reached = f"accuracy reaches {measured.max():.3f}, and the lowest loss is in epoch {best} of"
    assert reached in PAGES["fixed_before"]
    said = [
        f"lowest in epoch {best} of 15",
        f"at a validation accuracy of {measured[best]:.3f}",
        f"{own.mean:.4f} ({own.low:.3f} to {own.high:.3f}) of the {len(answers):,} test images",
        f"accuracy is {measured[worst]:.3f} in the seventh",
        f"has risen to {history['accuracy'][worst]:.3f}",
    ]
    moved = pd.read_csv(regime / "moved.csv").itertuples()
    for row, word in zip(moved, ("shift", "crop", "flip"), strict=True):
        said.append(f"{Known(row.loss, row.loss_low, row.loss_high):.3f} by the {word}")
    assert [words for words in said if words not in PAGES["paper_images"]] == []
    assert f"the custom CNN reached {own.mean:.4f} (one seed)" in " ".join(readme.split())


def test_the_limits_of_the_model_card():
    names = "StyleGAN2, FFHQ", "StyleGAN3", "Stable Diffusion 2.1"
    found = [f"{larger.cure().loc[name, 'fakes_found_none']:.2f}" for name in names]
    said = "finds {} of StyleGAN2's fakes, {} of StyleGAN3's and {} of Stable Diffusion's"
    assert said.format(*found) in PAGES["model_card"]
    moved = read_file(EXAMPLES / "larger" / "moved.csv").set_index(["images", "model"])
    lost = moved.loc[("Shifted 8 (pixels, of 256)", "custom_cnn"), "loss"]
    assert f"loses {lost:.3f} of its accuracy if faces are shifted by 8" in PAGES["model_card"]


def test_the_statements_on_three_seeds():
    table = read_file(EXAMPLES / "larger" / "table1.csv").set_index(["model", "metric"])
    own = table.loc[("custom_cnn", "accuracy"), ["ours_mean", "ci_low", "ci_high"]]
    assert f"{Known(*own):.3f} is the mean of three seeds" in PAGES["fixed_before"]
    moved = read_file(EXAMPLES / "larger" / "moved.csv").set_index(["images", "model"])
    for name, row in moved.loc["Shifted 8 (pixels, of 256)"].iterrows():
        said = f"{Known(row.loss, row.loss_low, row.loss_high):.3f}"
        assert said in PAGES["fixed_before"], name
