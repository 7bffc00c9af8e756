"""The paper's claims on made-up histories and test results."""

import math

import pandas as pd
import pytest

from fakeface_utils import claims
from fakeface_utils.extension import Extension
from fakeface_utils.metrics import Known
from fakeface_utils.settings import Study


def history(lowest, epochs=15, floor=0.1, accuracy=0.95):
    """A history of several seeds, whose validation loss is lowest at these epochs."""
    tables = []
    for seed, best in enumerate(lowest):
        epoch = pd.Series(range(1, epochs + 1))
        loss = floor + 0.01 * seed + (epoch - best).abs() / 10
        columns = {"seed": seed, "epoch": epoch, "loss": loss, "val_loss": loss}
        reached = accuracy + 0.001 * seed - (epoch - best).abs() / 100
        tables.append(pd.DataFrame({**columns, "accuracy": reached, "val_accuracy": reached}))
    return pd.concat(tables, ignore_index=True)


@pytest.mark.parametrize(
    ("papers", "lowest", "epochs", "expected"),
    [
        (7, [6, 8, 12], 15, "reproduced"),
        (6, [8, 8, 6], 15, "not reproduced"),
        (6, [4, 3, 2], 15, "not reproduced"),
        (6, [15, 15, 6], 15, "not reached"),
        (6, [6, 6, 6], 6, "not reached"),
        (6, [15, 6, 3], 15, "undecided"),
        (6, [6, 12], 15, "undecided"),
    ],
)
def test_the_epoch_of_the_lowest_loss(papers, lowest, epochs, expected):
    words = f"lowest at epoch {', '.join(map(str, lowest))} of {epochs} (seed by seed)"
    words += "; at the last it may be falling still" * (epochs in lowest)
    assert claims.lowest_loss(history(lowest, epochs), papers) == (words, expected)


def test_a_seed_whose_loss_is_no_number_is_counted():
    table = history([6, 6, 6])
    table.loc[table["seed"] == 2, "val_loss"] = math.nan
    table.loc[(table["seed"] == 1) & (table["epoch"] > 8), "val_loss"] = math.nan
    words = "lowest at epoch 6, 6, 1 of 15 (seed by seed)"
    assert claims.lowest_loss(table, 6) == (words, "reproduced")


@pytest.mark.parametrize(
    ("custom", "vgg16", "expected"),
    [
        ([6, 6], [7, 8], "reproduced"),
        ([8, 8], [7, 6], "reproduced"),
        ([6, 6], [9, 10], "not reproduced"),
        ([6, 7], [15, 15], "not reproduced"),
        ([14, 15], [15, 13], "not reached"),
        ([6, 6], [7, 12], "undecided"),
    ],
)
def test_overfitting_at_a_similar_moment(custom, vgg16, expected):
    pairs = f"{custom[0]} and {vgg16[0]}, {custom[1]} and {vgg16[1]} of 15, seed by seed"
    words = f"validation loss of custom CNN and VGG16 lowest at epoch {pairs}"
    words += "; at the last no rise was seen" * (15 in custom + vgg16)
    assert claims.similar_moment(history(custom), history(vgg16)) == (words, expected)


@pytest.mark.parametrize(("split", "another"), [("", "val_"), ("val_", "")])
@pytest.mark.parametrize(
    ("floor", "accuracy", "expected"),
    [
        (0.30, 0.85, "reproduced"),
        (0.30, 0.96, "not reproduced"),  # a lower loss, but not a higher accuracy
        (0.05, 0.85, "not reproduced"),
        (0.30, 0.95, "undecided"),
    ],
)
def test_a_lower_loss_and_a_higher_accuracy(split, another, floor, accuracy, expected):
    vgg16 = history([7, 7, 7], floor=floor, accuracy=accuracy)
    vgg16[[f"{another}loss", f"{another}accuracy"]] = [9.0, 0.0]  # decide nothing
    # The best values of the seeds: 0.10, 0.11, 0.12 and 0.950, 0.951, 0.952.
    lost, gained = floor - 0.1, 0.95 - accuracy
    words = (
        f"lowest loss: custom CNN 0.1100, VGG16 {floor + 0.01:.4f}, gain {lost:+.4f} "
        f"({lost:+.4f} to {lost:+.4f}); highest accuracy: custom CNN 0.9510, VGG16 "
        f"{accuracy + 0.001:.4f}, gain {gained:+.4f} ({gained:+.4f} to {gained:+.4f}), "
        "95 % intervals"
    )
    assert claims.better_curves(history([6, 6, 6]), vgg16, split) == (words, expected)


def test_the_interval_of_a_curves_gain_is_over_seeds():
    vgg16 = history([7, 7, 7], floor=0.3)
    vgg16.loc[vgg16["seed"] == 1, "loss"] += 0.03
    # Gains 0.20, 0.23, 0.20: mean 0.21, s = 0.0173205, t(2) = 4.302653, half width 0.0430265
    found, _ = claims.better_curves(history([6] * 3), vgg16)
    assert "gain +0.2100 (+0.1670 to +0.2530)" in found


ARITHMETIC = ["not reproduced", "reproduced", "reproduced", "not reproduced"]


@pytest.mark.parametrize(
    ("low", "reason", "seeds", "better"),
    [
        (0.065, "", 2, "reproduced"),
        (-0.01, "", 2, "undecided"),
        (0.065, "generated data", 2, "not comparable (generated data)"),
        (0.065, "one seed", 1, "not comparable (one seed)"),
    ],
)
def test_every_claim_has_a_verdict(monkeypatch, low, reason, seeds, better):
    curves = {
        "custom_cnn": history([6] * seeds),
        "vgg16": history([7] * seeds, floor=0.3, accuracy=0.85),
    }
    monkeypatch.setattr(claims, "histories", lambda study, model: curves[model])
    monkeypatch.setattr(claims, "not_comparable", lambda study: reason)
    monkeypatch.setattr(claims, "difference", lambda study, *two: Known(0.07, low, 0.075))
    monkeypatch.setattr(claims, "extensions", dict)
    table = claims.claims(Study(seeds=range(seeds)))
    assert table.columns.tolist() == ["claim", "section", "here", "basis", "verdict"]
    measured = [f"not comparable ({reason})" if reason else "reproduced"] * 5
    assert table["verdict"].tolist() == [better, *measured, "not measured", *ARITHMETIC]
    words = ("in training", "in validation", "epoch 7 (VGG16)", "epoch 6 (custom CNN)")
    assert all(word in claim for word, claim in zip(words, table["claim"][1:5], strict=True))
    assert table["here"][3].startswith("lowest at epoch 7")
    basis = [*["measured"] * 6, "not measured", *["arithmetic"] * 4]
    assert table["basis"].tolist() == basis
    assert table["here"][0].endswith(f"95 % interval: +0.0700 ({low:+.4f} to +0.0750)")
    assert ("interval" in table["here"][1]) == (seeds > 1)  # one seed has no interval over seeds

    asked = {"claim": table["claim"][6], "here": "0.6", "verdict": "reproduced", "basis": "people"}
    quiz = Extension("quiz", "", claims=lambda study: [asked, {"claim": "another", "here": "x"}])
    monkeypatch.setattr(claims, "extensions", lambda: {"quiz": quiz})
    judged = claims.claims(Study(seeds=range(seeds)))  # in the place of what isn't measured
    assert judged["verdict"].tolist() == [*table["verdict"][:6], "reproduced", *ARITHMETIC, ""]


def test_the_arithmetic_behind_shorter_smaller_and_lighter():
    # Epochs cost (3 * 100,000 + 20,000) * 1.49966e9 and 120,000 * 15.34663e9 + 320,000 * 0.01285e9.
    found, _ = claims.shorter_training("custom_cnn")
    assert "takes 27.7 x 10^15 multiply-adds against 7.2 x 10^15 (3.85 times)" in found
    assert "0.26 times if the base runs once" in found
    assert "against 73.7 x 10^15 (0.38 times)" in claims.shorter_training("vgg16")[0]
    assert claims.smaller("published")[0] == (
        "25.9 against 138.4 million parameters (0.19 times); 1.50 against 15.47 "
        "billion multiply-adds per image (0.10 times); 25.9 against 138.4 million trained "
        "parameters (0.19 times)"
    )
    for words in ("27.6 million parameters (0.94", "15.36 billion", "12.8 million trained"):
        assert words in claims.smaller("vgg16")[0]
