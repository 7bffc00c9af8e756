"""The paper's claims on made-up histories, and the paper's numbers against themselves."""

import math

import pandas as pd
import pytest

from fakeface_utils.evaluation import claims
from fakeface_utils.evaluation.paper_itself import (
    network_size,
    paper_against_itself,
    paper_sizes,
    recovered_matrices,
)
from fakeface_utils.study.paper import VGG16_BLOCKS
from fakeface_utils.study.parameters import load_study
from fakeface_utils.study.settings import Study


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
    ("model", "lowest", "epochs", "expected"),
    [
        ("vgg16", [7, 8, 6], 15, "reproduced"),
        ("vgg16", [6, 6, 12], 15, "reproduced"),
        ("custom_cnn", [6, 5, 7], 15, "reproduced"),
        ("custom_cnn", [8, 8, 6], 15, "not reproduced"),
        ("custom_cnn", [4, 3, 2], 15, "not reproduced"),
        ("custom_cnn", [15, 15, 6], 15, "not reached"),
        ("custom_cnn", [6, 6, 6], 6, "not reached"),
        ("custom_cnn", [15, 6, 3], 15, "undecided"),
        ("custom_cnn", [6, 12], 15, "undecided"),
    ],
)
def test_the_epoch_of_the_lowest_loss(model, lowest, epochs, expected):
    said, section, found, basis, verdict = claims.lowest_loss(
        {model: history(lowest, epochs)}, model
    )
    assert basis == "measured"
    assert verdict == expected
    title, epoch = {"vgg16": ("VGG16", 7), "custom_cnn": ("custom CNN", 6)}[model]
    assert said == f"Validation loss is lowest at epoch {epoch} ({title})"
    assert section == "5"
    numbers = ", ".join(map(str, lowest))
    assert found == f"lowest at epoch {numbers} of {epochs} (seed by seed)"


def test_a_seed_whose_loss_is_no_number_is_counted():
    table = history([6, 6, 6])
    table.loc[table["seed"] == 2, "val_loss"] = math.nan
    found, _, verdict = claims.lowest_loss({"custom_cnn": table}, "custom_cnn")[2:]
    assert found == "lowest at epoch 6, 6, 1 of 15 (seed by seed)"
    assert verdict == "reproduced"


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
    histories = {"custom_cnn": history(custom), "vgg16": history(vgg16)}
    found, _, verdict = claims.similar_moment(histories)[2:]
    assert verdict == expected
    pairs = f"{custom[0]} and {vgg16[0]}, {custom[1]} and {vgg16[1]} (seed by seed)"
    assert found == f"lowest validation loss of custom CNN and VGG16 at epoch {pairs}"


@pytest.mark.parametrize("split", ["training", "validation"])
@pytest.mark.parametrize(
    ("floor", "accuracy", "expected"),
    [
        (0.30, 0.85, "reproduced"),
        (0.30, 0.96, "not reproduced"),  # a lower loss, but not a higher accuracy
        (0.05, 0.85, "not reproduced"),
        (0.30, 0.95, "undecided"),
    ],
)
def test_a_lower_loss_and_a_higher_accuracy(split, floor, accuracy, expected):
    vgg16 = history([7, 7, 7], floor=floor, accuracy=accuracy)
    histories = {"custom_cnn": history([6, 6, 6]), "vgg16": vgg16}
    other = "val_" if split == "training" else ""  # the other split's columns decide nothing
    vgg16[[f"{other}loss", f"{other}accuracy"]] = [9.0, 0.0]
    said, _, found, _, verdict = claims.better_curves(histories, split)
    assert said == f"Lower loss and higher accuracy in {split} for the custom CNN"
    assert verdict == expected
    # The best values of the seeds: 0.10, 0.11, 0.12 and 0.950, 0.951, 0.952.
    lost, gained = floor - 0.1, 0.95 - accuracy
    assert found == (
        f"lowest loss: custom CNN 0.1100, VGG16 {floor + 0.01:.4f}, gain {lost:+.4f} "
        f"(95 % interval {lost:+.4f} to {lost:+.4f}); highest accuracy: custom CNN 0.9510, VGG16 "
        f"{accuracy + 0.001:.4f}, gain {gained:+.4f} (95 % interval {gained:+.4f} to {gained:+.4f})"
    )


def test_the_interval_of_a_curves_gain_is_over_seeds():
    vgg16 = history([7, 7, 7], floor=0.3)
    vgg16.loc[vgg16["seed"] == 1, "loss"] += 0.03
    # Gains 0.20, 0.23, 0.20: mean 0.21, s = 0.0173205, t(2) = 4.302653, half width 0.0430265
    found = claims.better_curves({"custom_cnn": history([6] * 3), "vgg16": vgg16}, "training")[2]
    assert "gain +0.2100 (95 % interval +0.1670 to +0.2530)" in found


def made_up_claims(monkeypatch, reason, seeds=2):
    histories = {
        "custom_cnn": history([6] * seeds),
        "vgg16": history([7] * seeds, floor=0.3, accuracy=0.85),
    }
    better = {"difference": 0.07, "low": 0.065, "high": 0.075, "verdict": "reproduced"}
    if reason:
        better["verdict"] = f"not comparable ({reason})"
    monkeypatch.setattr(claims, "read_histories", lambda study, model: histories[model])
    monkeypatch.setattr(claims, "not_comparable", lambda study: reason)
    monkeypatch.setattr(claims, "claim_better", lambda study: better)
    monkeypatch.setattr(claims, "pooled_answers", lambda study: None)
    drawn = reason if reason == "generated data" else ""
    monkeypatch.setattr(claims, "other_images", lambda study: drawn)
    return claims.claims(load_study(seeds=seeds))


def test_every_claim_has_a_verdict(monkeypatch):
    table = made_up_claims(monkeypatch, "")
    assert table.columns.tolist() == ["claim", "section", "found", "basis", "verdict"]
    assert table["verdict"].tolist() == [
        "reproduced", "reproduced", "reproduced", "reproduced", "reproduced", "reproduced",
        "not measured", "not reproduced", "reproduced", "reproduced", "not reproduced",
    ]  # fmt: skip
    assert table.loc[0, "found"] == (
        "mean test accuracy, custom CNN minus VGG16: +0.0700 (95 % interval +0.0650 to +0.0750)"
    )


@pytest.mark.parametrize(("reason", "seeds"), [("generated data", 2), ("one seed", 1)])
def test_without_the_papers_data_only_arithmetic_has_a_verdict(monkeypatch, reason, seeds):
    table = made_up_claims(monkeypatch, reason, seeds)
    assert table["verdict"].tolist()[:6] == [f"not comparable ({reason})"] * 6
    people = {"generated data": "not comparable (generated data)", "one seed": "not measured"}
    assert table.loc[6, "verdict"] == people[reason]  # of them, not of the networks
    arithmetic = table.iloc[7:]
    assert arithmetic["verdict"].tolist() == [
        "not reproduced", "reproduced", "reproduced", "not reproduced",
    ]  # fmt: skip
    assert table["basis"].tolist() == [
        *["measured"] * 6, "not measured", *["arithmetic"] * 4,
    ]  # fmt: skip
    assert ("interval" in table.loc[1, "found"]) == (seeds > 1)


def test_the_arithmetic_behind_shorter_smaller_and_lighter():
    # Epochs cost (3 * 100,000 + 20,000) * 1.49966e9 and 120,000 * 15.34663e9 + 320,000 * 0.01285e9.
    found, _, said = claims.shorter_training("custom_cnn")[2:]
    assert "takes 27.7 x 10^15 multiply-adds against 7.2 x 10^15 (3.85 times)" in found
    assert "0.26 times if the base runs once" in found
    assert said == "not reproduced"
    found, _, said = claims.shorter_training("vgg16")[2:]
    assert "against 73.7 x 10^15 (0.38 times)" in found
    assert said == "reproduced"
    assert claims.smaller_and_lighter("published")[2] == (
        "25.9 against 138.4 million parameters (0.19 times); 1.50 against 15.47 "
        "billion multiply-adds per image (0.10 times); 25.9 against 138.4 million trained "
        "parameters (0.19 times)"
    )
    found = claims.smaller_and_lighter("vgg16")[2]
    for words in ("27.6 million parameters (0.94", "15.36 billion", "12.8 million trained"):
        assert words in found


def test_sizes_by_arithmetic_are_those_of_the_models():
    from fakeface_utils.networks.imagenet import frozen_base
    from fakeface_utils.networks.models import architecture, assemble_vgg16, custom_cnn, vgg16_head

    study = Study(vgg16_weights="random")
    base = frozen_base(study)
    models = {
        "custom_cnn": custom_cnn(study),
        "vgg16": assemble_vgg16(base, vgg16_head(study, base.output.shape[1:])),
    }
    sizes = paper_sizes()
    for name, model in models.items():
        table = architecture(model)
        dense = table[table["kind"] == "Dense"]
        assert sizes.loc[name].to_dict() == {
            "parameters": table["parameters"].sum(),
            "trained": table["trainable"].sum(),
            "multiply_adds": table["multiply_adds"].sum(),
            "dense_multiply_adds": dense["multiply_adds"].sum(),
        }
    # Simonyan and Zisserman give 138 million for VGG16; Keras counts 138,357,544.
    assert sizes.loc["published", "parameters"] == 138_357_544
    assert network_size(VGG16_BLOCKS, (1,), frozen=True)["trained"] == 25_089


def test_the_papers_confusion_matrices_are_recovered():
    table = paper_against_itself()
    cells = ["tp", "fn", "fp", "tn"]
    custom = table[table["model"] == "custom_cnn"].reset_index(drop=True)
    assert custom.loc[0, cells].tolist() == [9644, 356, 208, 9792]
    assert custom["differs"].tolist() == ["f1", "recall", "precision"]  # none agrees with all four
    assert f"{custom.loc[0, 'f1']:.4f}" == "0.9716"  # the paper prints 0.9715
    assert custom[["tp", "fp"]].to_numpy().tolist()[1:] == [[9643, 208], [9644, 209]]
    vgg16 = table[table["model"] == "vgg16"].reset_index(drop=True)
    assert vgg16.loc[0, cells].tolist() == [8949, 1051, 953, 9047]
    assert vgg16["differs"].tolist().count("") == 1
    only_f1 = vgg16[(vgg16["tp"] == 8949) & (vgg16["fp"] == 952)]
    assert only_f1["differs"].tolist() == ["f1"]


def test_a_matrix_is_recovered_from_its_own_printed_metrics():
    # TP 42, FN 8, FP 5, TN 45 of 50 each: 87 / 100, 42 / 47, 42 / 50, 84 / 97
    printed = {"accuracy": 0.87, "precision": 0.8936, "recall": 0.84, "f1": 0.8660}
    table = recovered_matrices(printed, per_class=50)
    assert table.loc[0, ["tp", "fn", "fp", "tn", "differs"]].tolist() == [42, 8, 5, 45, ""]
    assert (table["differs"] == "").sum() == 1
    assert recovered_matrices(printed | {"recall": 0.7}, per_class=50)["differs"].tolist() == [
        "recall"
    ]
    assert recovered_matrices(printed | {"recall": 0.7, "f1": 0.7}, per_class=50).empty
