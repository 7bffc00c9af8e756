"""The paper's claims in words: what we find for each, and its verdict by the rule of `evaluate`."""

import math

import pandas as pd

from .evaluate import (
    SIMILAR,
    difference,
    histories,
    not_comparable,
    unless,
    verdict_on_differences,
    verdict_on_epochs,
    verdict_on_ratios,
)
from .extension import Extension, extensions
from .metrics import ANY, known
from .paper import BEST_EPOCHS, COUNTS
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

CURVES = "Lower loss and higher accuracy in {} for the custom CNN"
LOWEST = "Validation loss is lowest at epoch {} ({})"
SHORTER = "Transfer learning, as described, shortens training, compared with {}"
SMALLER = "The custom CNN is smaller and lighter than {}"
PEOPLE = "People can hardly tell real and fake faces apart"
COLUMNS = ["claim", "section", "here", "basis", "verdict"]

Found = tuple[str, str]  # what this run's files or the arithmetic say, and the verdict


def claims(study: Study) -> pd.DataFrame:
    """Every claim of the paper's text in our words: `COLUMNS`, of which section is the paper's.

    What an extension says of a claim takes the place of ours.
    """
    ours, other, best = histories(study, OURS), histories(study, OTHER), BEST_EPOCHS
    measured = {
        ("The custom CNN is better on the test set", "5, 6"): better(study),
        (CURVES.format("training"), "5"): better_curves(ours, other),
        (CURVES.format("validation"), "5"): better_curves(ours, other, "val_"),
        (LOWEST.format(best[OTHER], "VGG16"), "5"): lowest_loss(other, best[OTHER]),
        (LOWEST.format(best[OURS], "custom CNN"), "5"): lowest_loss(ours, best[OURS]),
        ("Both begin to overfit at a similar moment", "6"): similar_moment(ours, other),
    }
    parts = "abstract, 1, 6"
    counted = {
        (SHORTER.format("the custom CNN"), "5"): shorter_training(OURS),
        (SHORTER.format("training all layers of VGG16"), "5"): shorter_training(OTHER),
        (SMALLER.format("VGG16 as published"), parts): smaller("published"),
        (SMALLER.format("the VGG16 of Table 1, with its new head"), parts): smaller(OTHER),
    }
    reason = not_comparable(study)
    rows = [
        *((*c, here, "measured", unless(reason, word)) for c, (here, word) in measured.items()),
        (PEOPLE, "abstract, 1, 2", "nobody was asked", "not measured", "not measured"),
        *((*c, here, "arithmetic", word) for c, (here, word) in counted.items()),
    ]
    by_claim = {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in rows}
    for one in extensions().values():
        if one.claims is not Extension.claims:
            by_claim |= {claim["claim"]: claim for claim in one.claims(one.measured(study))}
    return pd.DataFrame(by_claim.values(), columns=COLUMNS).fillna("")


def better(study: Study) -> Found:
    """The custom CNN is better on the test set."""
    found = difference(study, OURS, OTHER)
    here = f"mean test accuracy, custom CNN minus VGG16, 95 % interval: {found:+.4f}"
    return here, verdict_on_differences([found[1:]])


def better_curves(ours: pd.DataFrame, other: pd.DataFrame, split: str = "") -> Found:
    """The custom CNN reaches a lower loss and a higher accuracy; `split` is their columns' prefix.

    The interval covers seeds alone: the claim is about these images.
    """
    texts, intervals = [], []
    for quantity, best, word, sign in (
        ("loss", "min", "lowest", -1),
        ("accuracy", "max", "highest", 1),
    ):
        reached = [of.groupby("seed")[split + quantity].agg(best) for of in (ours, other)]
        means = "custom CNN {:.4f}, VGG16 {:.4f}".format(*(of.mean() for of in reached))
        texts.append(f"{word} {quantity}: {means}")
        if len(reached[0]) > 1:
            gain = known(sign * (reached[0] - reached[1]), ends=ANY)
            intervals.append(gain[1:])
            texts[-1] += f", gain {gain:+.4f}"
    here = "; ".join(texts) + ", 95 % intervals" * bool(intervals)
    return here, verdict_on_differences(intervals)


def _lowest(history: pd.DataFrame) -> pd.Series:
    """The epoch of each seed's lowest validation loss; NaN counts as infinite."""
    loss = history.assign(val_loss=history["val_loss"].fillna(math.inf))
    return loss.loc[loss.groupby("seed")["val_loss"].idxmin()].set_index("seed")["epoch"]


def lowest_loss(history: pd.DataFrame, papers: int) -> Found:
    """The validation loss is lowest at the paper's epoch."""
    lowest, last = _lowest(history), history["epoch"].max()
    here = f"lowest at epoch {', '.join(map(str, lowest))} of {last} (seed by seed)"
    here += "; at the last it may be falling still" * bool((lowest == last).any())
    return here, verdict_on_epochs(list(lowest - papers), list(lowest == last))


def similar_moment(ours: pd.DataFrame, other: pd.DataFrame) -> Found:
    """Both models begin to overfit at a similar moment.

    A gap larger than `SIMILAR` counts even if the later epoch is the last one trained.
    """
    one, two, last = _lowest(ours), _lowest(other), other["epoch"].max()
    gap = one - two
    late = (gap.abs() <= SIMILAR) & ((one == last) | (two == last))
    both = ", ".join(f"{a} and {b}" for a, b in zip(one, two, strict=True))
    here = f"validation loss of custom CNN and VGG16 lowest at epoch {both} of {last}, seed by seed"
    here += "; at the last no rise was seen" * bool({*one, *two} & {last})
    return here, verdict_on_epochs(list(gap), list(late), SIMILAR)


def shorter_training(compared: str) -> Found:
    """Transfer learning shortens training, by multiply-adds.

    A backward pass counts as two forward passes. In the paper's description the frozen base is part
    of the model and runs forward over the training and validation images in every epoch. The paper
    leaves open what is compared: training the custom CNN, or all layers of VGG16.
    """
    epochs, train, valid = Study().epochs, 2 * COUNTS["train"], 2 * COUNTS["valid"]
    passes = epochs * (3 * train + valid)
    cost, head = SIZES["multiply_adds"], SIZES.loc[OTHER, "head"]
    base = (train + valid) * (cost[OTHER] - head)
    paid, once = passes * head + epochs * base, passes * head + base
    others = passes * cost[compared]
    here = (
        f"counted, not timed: over {epochs} epochs VGG16 with a frozen base, used as "
        f"the paper describes it, takes {paid / 1e15:.1f} x 10^15 multiply-adds against "
        f"{others / 1e15:.1f} x 10^15 ({paid / others:.2f} times); {once / others:.2f} times "
        "if the base runs once and its output is kept, as here"
    )
    return here, verdict_on_ratios([paid / others])


def smaller(compared: str) -> Found:
    """The custom CNN is a smaller and lighter VGG16: as published, or in Table 1."""
    parts, ratios = [], []
    for name, unit, digits, what in (
        ("parameters", 1e6, 1, "million parameters"),
        ("multiply_adds", 1e9, 2, "billion multiply-adds per image"),
        ("trained", 1e6, 1, "million trained parameters"),
    ):
        ours, theirs = SIZES.loc[OURS, name] / unit, SIZES.loc[compared, name] / unit
        ratios.append(ours / theirs)
        parts.append(
            f"{ours:.{digits}f} against {theirs:.{digits}f} {what} ({ours / theirs:.2f} times)"
        )
    return "; ".join(parts), verdict_on_ratios(ratios)
