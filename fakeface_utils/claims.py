"""The paper's claims in words: what we find for each, and its verdict by the rule of `evaluate`.

Claims about size and cost need only arithmetic on the paper's networks at its settings, so they
have a verdict whatever this run's data and settings are.
"""

import math
from typing import NamedTuple

import pandas as pd

from .evaluate import (
    SIMILAR,
    difference,
    histories,
    not_comparable,
    verdict_on_differences,
    verdict_on_epochs,
    verdict_on_ratios,
)
from .extension import extensions
from .metrics import ANY, known
from .models import MODELS
from .paper import COUNTS
from .settings import Study

OURS, OTHER = "custom_cnn", "vgg16"  # the paper's own network, and the one it is compared with
# Of the networks at the paper's settings; multiply-adds of convolutions and dense layers, for an
# image of 224 x 224 pixels; head: of the dense layers alone. Published by Simonyan and Zisserman.
SIZES = pd.DataFrame(
    {
        "custom_cnn": (25_916_161, 25_915_009, 1_499_660_544, 25_690_368),
        "vgg16": (27_560_769, 12_846_081, 15_359_476_224, 12_845_568),
        "published": (138_357_544, 138_357_544, 15_470_264_320, 123_633_664),
    },
    index=["parameters", "trained", "multiply_adds", "head"],
).T

Histories = dict[str, pd.DataFrame]


class Claim(NamedTuple):
    """A claim of the paper's text.

    Attributes:
        claim: in our words.
        section: the paper's.
        here: what this run's files or the arithmetic say.
        basis: 'measured' here, or not at all; or 'arithmetic' on the paper's networks.
        verdict: by the rule of `evaluate`.
    """

    claim: str
    section: str
    here: str
    basis: str
    verdict: str


def claims(study: Study) -> pd.DataFrame:
    """Every claim of the paper's text, a row each; an extension's judgement takes ours' place."""
    reason, curves = not_comparable(study), {m: histories(study, m) for m in (OURS, OTHER)}
    people = "People can hardly tell real and fake faces apart"
    rows = [
        better(study, reason),
        better_curves(curves, "training", reason),
        better_curves(curves, "validation", reason),
        lowest_loss(curves, OTHER, reason),
        lowest_loss(curves, OURS, reason),
        similar_moment(curves, reason),
        Claim(people, "abstract, 1, 2", "nobody was asked", "not measured", "not measured"),
        shorter_training(OURS),
        shorter_training(OTHER),
        smaller_and_lighter("published"),
        smaller_and_lighter(OTHER),
    ]
    judged = [claim for one in extensions().values() for claim in one.claims(study)]
    by_claim = {row.claim: row._asdict() for row in rows}
    table = pd.DataFrame((by_claim | {claim["claim"]: claim for claim in judged}).values())
    return table[list(Claim._fields)].fillna("")


def better(study: Study, reason: str = "") -> Claim:
    """The claim that the custom CNN is better on the test set."""
    found = difference(study, OURS, OTHER)
    here = f"mean test accuracy, custom CNN minus VGG16, 95 % interval: {found:+.4f}"
    verdict = verdict_on_differences([found[1:]], reason)
    return Claim("The custom CNN is better on the test set", "5, 6", here, "measured", verdict)


def better_curves(curves: Histories, split: str, reason: str = "") -> Claim:
    """The claim that the custom CNN reaches a lower loss and a higher accuracy.

    The interval covers seeds alone: the claim is about these images.
    """
    texts, intervals = [], []
    for quantity, best, word, sign in (
        ("loss", "min", "lowest", -1),
        ("accuracy", "max", "highest", 1),
    ):
        column = quantity if split == "training" else f"val_{quantity}"
        ours, other = (curves[m].groupby("seed")[column].agg(best) for m in (OURS, OTHER))
        text = f"{word} {quantity}: custom CNN {ours.mean():.4f}, VGG16 {other.mean():.4f}"
        if len(ours) > 1:
            gain = known(sign * (ours - other), ends=ANY)
            intervals.append(gain[1:])
            text += f", gain {gain:+.4f}"
        texts.append(text)
    claim = f"Lower loss and higher accuracy in {split} for the custom CNN"
    here = "; ".join(texts) + ", 95 % intervals" * bool(intervals)
    return Claim(claim, "5", here, "measured", verdict_on_differences(intervals, reason))


def _lowest(history: pd.DataFrame) -> pd.Series:
    """The epoch of each seed's lowest validation loss; NaN counts as infinite."""
    loss = history.assign(val_loss=history["val_loss"].fillna(math.inf))
    return loss.loc[loss.groupby("seed")["val_loss"].idxmin()].set_index("seed")["epoch"]


def lowest_loss(curves: Histories, model: str, reason: str = "") -> Claim:
    """The claim about the epoch of the lowest validation loss."""
    lowest, last, about = _lowest(curves[model]), curves[model]["epoch"].max(), MODELS[model]
    gaps = list(lowest - (about.best_epoch or 0))
    verdict = verdict_on_epochs(gaps, list(lowest == last), reason=reason)
    here = f"lowest at epoch {', '.join(map(str, lowest))} of {last} (seed by seed)"
    claim = f"Validation loss is lowest at epoch {about.best_epoch} ({about.title})"
    return Claim(claim, "5", here, "measured", verdict)


def similar_moment(curves: Histories, reason: str = "") -> Claim:
    """The claim that both models begin to overfit at a similar moment.

    A gap larger than `SIMILAR` counts even if the later epoch is the last one trained.
    """
    ours, other = (_lowest(curves[model]) for model in (OURS, OTHER))
    gap, last = ours - other, curves[OTHER]["epoch"].max()
    late = (gap.abs() <= SIMILAR) & ((ours == last) | (other == last))
    verdict = verdict_on_epochs(list(gap), list(late), SIMILAR, reason)
    both = ", ".join(f"{a} and {b}" for a, b in zip(ours, other, strict=True))
    here = f"lowest validation loss of custom CNN and VGG16 at epoch {both} (seed by seed)"
    return Claim("Both begin to overfit at a similar moment", "6", here, "measured", verdict)


def shorter_training(compared: str) -> Claim:
    """The claim that transfer learning shortens training, by multiply-adds.

    A backward pass counts as two forward passes. In the paper's description the frozen base is part
    of the model and runs forward over the training and validation images in every epoch. The paper
    leaves open what is compared: training the custom CNN, or all layers of VGG16.
    """
    epochs, train, valid = Study().epochs, 2 * COUNTS["train"], 2 * COUNTS["valid"]
    passes = epochs * (3 * train + valid)
    cost, head = SIZES["multiply_adds"], SIZES.loc[OTHER, "head"]
    paid = passes * head + epochs * (train + valid) * (cost[OTHER] - head)
    once = passes * head + (train + valid) * (cost[OTHER] - head)
    others = passes * cost[compared]
    here = (
        f"counted, not timed: over {epochs} epochs VGG16 with a frozen base, used as "
        f"the paper describes it, takes {paid / 1e15:.1f} x 10^15 multiply-adds against "
        f"{others / 1e15:.1f} x 10^15 ({paid / others:.2f} times); {once / others:.2f} times "
        "if the base runs once and its output is kept, as here"
    )
    slower = {OURS: "the custom CNN", OTHER: "training all layers of VGG16"}[compared]
    claim = f"Transfer learning, as described, shortens training, compared with {slower}"
    return Claim(claim, "5", here, "arithmetic", verdict_on_ratios([paid / others]))


def smaller_and_lighter(compared: str) -> Claim:
    """The claim that the custom CNN is a smaller and lighter VGG16: as published, or in Table 1."""
    parts = []
    sizes = SIZES[["parameters", "multiply_adds", "trained"]]
    ratios = sizes.loc[OURS] / sizes.loc[compared]
    for name, unit, digits, what in (
        ("parameters", 1e6, 1, "million parameters"),
        ("multiply_adds", 1e9, 2, "billion multiply-adds per image"),
        ("trained", 1e6, 1, "million trained parameters"),
    ):
        ours, theirs = (f"{sizes.loc[m, name] / unit:.{digits}f}" for m in (OURS, compared))
        parts.append(f"{ours} against {theirs} {what} ({ratios[name]:.2f} times)")
    model = {"published": "VGG16 as published", OTHER: "the VGG16 of Table 1, with its new head"}
    claim = f"The custom CNN is smaller and lighter than {model[compared]}"
    verdict = verdict_on_ratios(ratios)
    return Claim(claim, "abstract, 1, 6", "; ".join(parts), "arithmetic", verdict)
