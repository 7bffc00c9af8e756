"""The paper's claims in words: what we find for each, and its verdict.

`verdicts` has the rule. Claims about size and cost need only arithmetic on the paper's networks at
its settings, so they have a verdict whatever this run's data and settings are.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from ..study.artefacts import read_histories
from ..study.names import MODELS, TITLES
from ..study.paper import PAPER_BEST_EPOCH, PAPER_COUNTS
from ..study.settings import Study
from .caveats import not_comparable, other_images
from .intervals import interval
from .paper_itself import paper_sizes
from .quiz import ASKED, pooled_answers
from .table1 import claim_better
from .verdicts import (
    FEWEST,
    HARDLY,
    SIMILAR,
    verdict_on_differences,
    verdict_on_epochs,
    verdict_on_ratios,
)


class Claim(NamedTuple):
    """A claim of the paper's text.

    Attributes:
        claim: in our words.
        section: the paper's.
        found: what this run's files or the arithmetic say.
        basis: 'measured' here, by how many people or not at all; or 'arithmetic' on the paper's
            networks.
        verdict: by the rule of `verdicts`.
    """

    claim: str
    section: str
    found: str
    basis: str
    verdict: str


def claims(study: Study) -> pd.DataFrame:
    """Every claim of the paper's text, a row each, with the columns of `Claim`."""
    reason = not_comparable(study)
    histories = {model: read_histories(study, model) for model in MODELS}
    better = claim_better(study)
    finding = (
        f"mean test accuracy, custom CNN minus VGG16: {better['difference']:+.4f} "
        f"(95 % interval {better['low']:+.4f} to {better['high']:+.4f})"
    )
    title = "The custom CNN is better on the test set"
    rows = [
        Claim(title, "5, 6", finding, "measured", str(better["verdict"])),
        better_curves(histories, "training", reason),
        better_curves(histories, "validation", reason),
        lowest_loss(histories, "vgg16", reason),
        lowest_loss(histories, "custom_cnn", reason),
        similar_moment(histories, reason),
        hardly_told_apart(pooled_answers(study), other_images(study)),
        shorter_training("custom_cnn"),
        shorter_training("vgg16"),
        smaller_and_lighter("published"),
        smaller_and_lighter("vgg16"),
    ]
    return pd.DataFrame(rows)


def better_curves(histories: Mapping[str, pd.DataFrame], split: str, reason: str = "") -> Claim:
    """The claim that the custom CNN reaches a lower loss and a higher accuracy, section 5.

    The interval covers seeds alone: the claim is about these images.

    Args:
        histories: of both models, with a column seed.
        split: 'training' or 'validation'.
        reason: why there can be no verdict; '' where there can.
    """
    texts, intervals = [], []
    for quantity, best, sign in (("loss", "min", -1), ("accuracy", "max", 1)):
        column = quantity if split == "training" else f"val_{quantity}"
        custom, vgg16 = (
            histories[model].groupby("seed")[column].agg(best) for model in ("custom_cnn", "vgg16")
        )
        gain = sign * (custom - vgg16)
        word = "lowest" if sign < 0 else "highest"
        text = f"{word} {quantity}: custom CNN {custom.mean():.4f}, VGG16 {vgg16.mean():.4f}"
        if len(gain) > 1:
            low, high = interval(list(gain))
            intervals.append((low, high))
            text += f", gain {gain.mean():+.4f} (95 % interval {low:+.4f} to {high:+.4f})"
        texts.append(text)
    verdict = verdict_on_differences(intervals, reason)
    claim = f"Lower loss and higher accuracy in {split} for the custom CNN"
    return Claim(claim, "5", "; ".join(texts), "measured", verdict)


def _lowest(history: pd.DataFrame) -> pd.Series:
    """The epoch of each seed's lowest validation loss; NaN counts as infinite."""
    loss = history.assign(val_loss=history["val_loss"].fillna(math.inf))
    return loss.loc[loss.groupby("seed")["val_loss"].idxmin()].set_index("seed")["epoch"]


def lowest_loss(histories: Mapping[str, pd.DataFrame], model: str, reason: str = "") -> Claim:
    """The claim about the epoch of the lowest validation loss, section 5; see `better_curves`."""
    lowest, last = _lowest(histories[model]), histories[model]["epoch"].max()
    paper = PAPER_BEST_EPOCH[model]
    verdict = verdict_on_epochs(list(lowest - paper), list(lowest == last), reason=reason)
    finding = f"lowest at epoch {', '.join(map(str, lowest))} of {last} (seed by seed)"
    claim = f"Validation loss is lowest at epoch {paper} ({TITLES[model]})"
    return Claim(claim, "5", finding, "measured", verdict)


def similar_moment(histories: Mapping[str, pd.DataFrame], reason: str = "") -> Claim:
    """The claim that both models begin to overfit at a similar moment, section 6.

    A gap larger than `SIMILAR` counts even if the later epoch is the last one trained.
    """
    custom, vgg16 = (_lowest(histories[model]) for model in ("custom_cnn", "vgg16"))
    gap = custom - vgg16
    last = histories["vgg16"]["epoch"].max()
    late = (gap.abs() <= SIMILAR) & ((custom == last) | (vgg16 == last))
    verdict = verdict_on_epochs(list(gap), list(late), SIMILAR, reason)
    pairs = ", ".join(f"{c} and {v}" for c, v in zip(custom, vgg16, strict=True))
    finding = f"lowest validation loss of custom CNN and VGG16 at epoch {pairs} (seed by seed)"
    claim = "Both begin to overfit at a similar moment"
    return Claim(claim, "6", finding, "measured", verdict)


def hardly_told_apart(pooled: Mapping[str, Any] | None, reason: str = "") -> Claim:
    """The claim that people can hardly tell, by a quiz; the round at the stored size decides.

    Args:
        pooled: a class's answers, see `evaluation.quiz.pool`; None where nobody was asked.
        reason: why there can be no verdict; '' where there can.
    """
    claim, section = "People can hardly tell real and fake faces apart", "abstract, 1, 2"
    if pooled is None:
        verdict = f"not comparable ({reason})" if reason else "not measured"
        return Claim(claim, section, "nobody was asked (make quiz)", "not measured", verdict)
    people, first, second = pooled["people"], pooled["rounds"]["1"], pooled["rounds"]["2"]
    finding = (
        f"of {ASKED} test images at {second['pixels']} x {second['pixels']} pixels "
        f"{second['accuracy']:.3f} right (95 % interval {second['low']:.3f} to "
        f"{second['high']:.3f}); in a round before, at {first['pixels']} x {first['pixels']} "
        f"pixels, {first['accuracy']:.3f} ({first['low']:.3f} to {first['high']:.3f}); guessing "
        "gives 0.5"
    )
    below = HARDLY - second["high"], HARDLY - second["low"]
    few = f"fewer than {FEWEST} people" if people < FEWEST else ""
    verdict = verdict_on_differences([below], reason or few)
    basis = f"measured: {people} {'person' if people == 1 else 'people'}"
    return Claim(claim, section, finding, basis, verdict)


def shorter_training(other: str) -> Claim:
    """The claim that transfer learning shortens training, section 5, by multiply-adds.

    A backward pass counts as two forward passes. In the paper's description the frozen base is part
    of the model and runs forward over the training and validation images in every epoch.

    Args:
        other: what training is compared with, which the paper leaves open: the 'custom_cnn', or
            all layers of 'vgg16'.
    """
    sizes, epochs = paper_sizes(), Study().epochs
    train, valid = 2 * PAPER_COUNTS["train"], 2 * PAPER_COUNTS["valid"]
    passes = epochs * (3 * train + valid)
    whole, head = sizes.loc["vgg16", "multiply_adds"], sizes.loc["vgg16", "dense_multiply_adds"]
    paid = passes * head + epochs * (train + valid) * (whole - head)
    once = passes * head + (train + valid) * (whole - head)
    compared = passes * sizes.loc[other, "multiply_adds"]
    finding = (
        f"counted, not timed: over {epochs} epochs VGG16 with a frozen base, used as "
        f"the paper describes it, takes {paid / 1e15:.1f} x 10^15 multiply-adds against "
        f"{compared / 1e15:.1f} x 10^15 ({paid / compared:.2f} times); {once / compared:.2f} times "
        "if the base runs once and its output is kept, as here"
    )
    slower = {"custom_cnn": "the custom CNN", "vgg16": "training all layers of VGG16"}
    claim = f"Transfer learning, as described, shortens training, compared with {slower[other]}"
    return Claim(claim, "5", finding, "arithmetic", verdict_on_ratios([paid / compared]))


def smaller_and_lighter(other: str) -> Claim:
    """The claim that the custom CNN is a smaller and lighter VGG16, in three comparisons.

    Args:
        other: 'published', VGG16 as its authors made it; or 'vgg16', the one in Table 1.
    """
    sizes = paper_sizes()[["parameters", "trained", "multiply_adds"]]
    own, compared = sizes.loc["custom_cnn"], sizes.loc[other]
    ratios = own / compared
    finding = (
        f"{own['parameters'] / 1e6:.1f} against {compared['parameters'] / 1e6:.1f} "
        f"million parameters ({ratios['parameters']:.2f} times); {own['multiply_adds'] / 1e9:.2f} "
        f"against {compared['multiply_adds'] / 1e9:.2f} billion multiply-adds per image "
        f"({ratios['multiply_adds']:.2f} times); {own['trained'] / 1e6:.1f} against "
        f"{compared['trained'] / 1e6:.1f} million trained parameters "
        f"({ratios['trained']:.2f} times)"
    )
    model = {"published": "VGG16 as published", "vgg16": "the VGG16 of Table 1, with its new head"}
    claim = f"The custom CNN is smaller and lighter than {model[other]}"
    return Claim(claim, "abstract, 1, 6", finding, "arithmetic", verdict_on_ratios(ratios))
