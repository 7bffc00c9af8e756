"""Table 1 from our predictions, the networks compared image by image, and the rule of the verdicts.

The test set is read in `trained.py`; here is what the networks said of it. The rule was written
before any result. Our seeds are a sample of runs; the paper's run is one more. A seed whose network
collapsed counts like any other.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .extension import Extension, extensions
from .metrics import Known, confusion, gain, prediction_half_width, rates, scores
from .models import MODELS
from .paper import COUNTS, METRICS, TABLE1
from .settings import Study
from .step import STEPS, step
from .util import count

WIDEST = 0.02  # half width of a prediction interval beyond which a verdict would mean nothing
NEAR = 1  # epochs by which ours may differ from the paper's
SIMILAR = 2  # epochs at most between two similar moments
HARDLY = 0.65  # right answers of people who see it in 3 of 10 faces and guess the others
FEWEST = 5  # people for a verdict on what people can
TOLERANCE = 0.1  # two sizes or costs within 10 % count as equal
DIVERGED = "diverged ({}): the loss was no finite number, and the weights before that are scored"
COLLAPSED = "collapsed ({}), with one output for all test images"
RULE = (  # what it is about, and the rule
    ("Not comparable", "With generated images, other image counts, other settings or one seed: no "
     "verdict."),
    ("A printed value", f"Undecided if our prediction interval reaches further than {WIDEST} to "
     "either side. Otherwise reproduced if the paper's value lies in it, not reproduced if it "
     "doesn't."),
    ("A difference", "Reproduced if its interval lies on the paper's side of zero, not reproduced "
     "if it lies on the other side, undecided if it contains zero. A claim about several "
     "differences needs all of them; one on the other side refutes it. Two curves are compared by "
     "the best value each reaches."),
    ("An epoch", f"Each seed votes: reproduced if within {NEAR} epoch of the paper's, not reached "
     "if it is the last epoch trained, since the loss might have fallen further. Two moments are "
     f"similar if they are at most {SIMILAR} epochs apart. The majority of the seeds decides; "
     "without a majority the claim is undecided."),
    ("People", "That people can hardly tell is reproduced if the interval of their accuracy lies "
     f"below {HARDLY}, not reproduced if it lies above, undecided if it contains {HARDLY}: someone "
     "who really sees it in three faces of ten and guesses the others is right so often. What "
     "counts is the round at the stored size, since the paper speaks of its images. It needs the "
     f"paper's images, if only a part of them, and {FEWEST} people, since the intervals of fewer "
     "are too short; the settings and seeds of the networks don't matter."),
    ("Sizes and costs", "Arithmetic on the paper's networks, which needs no data: reproduced if "
     f"all are more than {TOLERANCE * 100:.0f} % below the other network's, not reproduced if one "
     f"is more than {TOLERANCE * 100:.0f} % above, otherwise undecided."),
)  # fmt: skip


def unless(reason: str, verdict: str) -> str:
    """The verdict, but where there is a reason why nothing can be compared at all."""
    return f"not comparable ({reason})" if reason else verdict


def verdict(values: Sequence[float], paper: float) -> str:
    """On a value the paper prints, from ours."""
    half = prediction_half_width(values)
    if not half <= WIDEST:  # NaN too
        return "undecided"
    return "reproduced" if abs(paper - np.mean(values)) <= half else "not reproduced"


def verdict_on_differences(intervals: Sequence[Sequence[float]]) -> str:
    """On differences that the paper claims to be above 0, from low and high of each."""
    if any(high < 0 for _, high in intervals):
        return "not reproduced"
    return "reproduced" if intervals and all(low > 0 for low, _ in intervals) else "undecided"


def verdict_on_epochs(gaps: Sequence[int], last: Sequence[bool], near: int = NEAR) -> str:
    """On an epoch, or on two that the paper calls similar, by the majority of the seeds.

    For each seed `gaps` says how far its epoch is from the paper's, or from the other, and `last`
    whether it is the last one trained, so that it might come later. Up to `near` counts as none.
    """
    votes = Counter(
        "not reached" if late else "reproduced" if abs(gap) <= near else "not reproduced"
        for gap, late in zip(gaps, last, strict=True)
    )
    word, number = votes.most_common(1)[0]
    return word if 2 * number > len(gaps) else "undecided"


def verdict_on_ratios(ratios: Iterable[float]) -> str:
    """On quantities the paper calls smaller, each as a share of the other network's."""
    largest = max(ratios)
    if largest > 1 + TOLERANCE:
        return "not reproduced"
    return "reproduced" if largest < 1 - TOLERANCE else "undecided"


def not_comparable(study: Study) -> str:
    """Why a run's numbers can't be compared with the paper's, the first reason; '' if they can."""
    dataset = STEPS["dataset"].of(study).read()
    if dataset["generated"]:
        return "generated data"
    if any(set(dataset["counts"][split].values()) != {n} for split, n in COUNTS.items()):
        return "other image counts"
    apart = ("data", "deterministic", "gpus")  # judged above; change only the last digits
    differing = [name for name in study.differences()["setting"] if name not in apart]
    if differing:
        return f"other settings: {', '.join(differing)}"
    return "one seed" if len(study.seeds) < 2 else ""


def predictions(study: Study, split: str = "test") -> pd.DataFrame:
    """model, seed, path, label (1 is fake) and p_fake: a row per network and image of a split."""
    name = {"test": "predictions.csv", "valid": "validation.csv"}[split]
    tables = {task.args: task.read(name) for task in STEPS["predict"].all(study)}
    table = pd.concat(tables, names=["model", "seed"])
    return table.reset_index(["model", "seed"]).reset_index(drop=True)


def histories(study: Study, model: str) -> pd.DataFrame:
    """The training histories of all seeds of a model, with a column seed."""
    tasks = STEPS["train"].all(study, model=model)
    tables = [task.read("history.csv").assign(seed=task.args[1]) for task in tasks]
    return pd.concat(tables, ignore_index=True)


def by_seed(study: Study, positive_class: str = "") -> pd.DataFrame:
    """model, seed, tp, fn, fp, tn and the four metrics of each network on the test set."""
    rows, positive = [], positive_class or study.positive_class
    for (model, seed), table in predictions(study).groupby(["model", "seed"], sort=False):
        cells = confusion(table["label"], table["p_fake"], positive).ravel()
        named = dict(zip(("tp", "fn", "fp", "tn"), cells, strict=True))
        rows.append({"model": model, "seed": seed, **named, **rates(*cells)})
    return pd.DataFrame(rows)


@step(
    "04_evaluate",
    writes=["table1.csv"],
    after=["predict", "dataset"],
    settings=lambda study: study.deciding() | {"seeds": study.seeds},
)
def table1(study: Study, out: Path) -> None:
    """Four rows a model: the mean and sd over seeds, its 95 % interval, the paper's, the verdict.

    predicted_low and predicted_high are where one more run falls; of one seed, as sd, empty.
    """
    reason, rows = not_comparable(study), []
    for model, table in by_seed(study).groupby("model", sort=False):
        printed = TABLE1.get(model, {})
        known = scores(table[["tp", "fn", "fp", "tn"]].to_numpy())
        for metric in METRICS:
            values, paper = list(table[metric]), printed.get(metric, math.nan)
            word = unless(reason, verdict(values, paper))
            word = word if metric in printed else "not in the paper"
            sd = np.std(values, ddof=1) if len(values) > 1 else math.nan
            ours, half = known[metric], prediction_half_width(values)
            ends = ours.mean - half, ours.mean + half
            rows.append((metric, model, ours.mean, sd, *ours[1:], paper, word, *ends))
    names = "metric model ours_mean ours_sd ci_low ci_high paper verdict".split()
    written = pd.DataFrame(rows, columns=[*names, "predicted_low", "predicted_high"])
    written.to_csv(out / "table1.csv", index=False, lineterminator="\n")


def printed_table1(study: Study) -> str:
    """Table 1 as text for a terminal; intervals are cut at 0 and 1."""
    table = table1(study)
    ends = ["ci_low", "ci_high", "predicted_low", "predicted_high"]
    table[ends] = table[ends].clip(0, 1)
    look: Any = {"float_format": "{:.4f}".format, "na_rep": "-", "justify": "right"}
    return table.to_string(index=False, **look)


def right(study: Study) -> dict[str, npt.NDArray[np.bool_]]:
    """(seeds, N) by model: whether a network is right about a test image."""
    table = predictions(study)
    table["right"] = table["label"] == (table["p_fake"] >= 0.5)
    of_models = table.groupby("model", sort=False)["right"]
    return {str(m): own.to_numpy().reshape(len(study.seeds), -1) for m, own in of_models}


def difference(study: Study, one: str, other: str) -> Known:
    """How much more accurate one model is than another, paired by seed and test image."""
    both = right(study)
    return gain(both[one], both[other])


def notices(study: Study) -> list[str]:
    """What a reader must know before believing a number, a sentence each."""
    data, random = STEPS["dataset"].of(study).read(), study.vgg16_weights == "random"
    own = ", ".join(name for name in study.models if name not in MODELS)
    frozen = ", ".join(model.title for model in study.models.values() if model.frozen_base)
    said = {
        "Generated data: these numbers say nothing about the paper.": data["generated"],
        "VGG16 has random weights, not ImageNet's: its numbers mean nothing.": random,
        data["split_by_us"]: data["split_by_us"],
        f"Left out: {count(len(data['unreadable']), 'unreadable image')}.": data["unreadable"],
        f"Not read: {data['left_out']}.": data["left_out"],
        f"Not in the paper, but networks of this run's own: {own}.": own,
        f"augment={study.augment} is without effect on {frozen}: a frozen base runs once for each "
        "image.": study.augment != "none",
    }
    found = [sentence for sentence, holds in said.items() if holds]
    for one in extensions().values():
        if one.notices is not Extension.notices:  # another's broken tasks stop no notice
            found += one.notices(one.measured(study))
    return found


def failed_seeds(study: Study) -> list[str]:
    """Name the seeds whose training run diverged, or ended in one output for all test images."""
    p_fake, sentences = predictions(study).groupby(["model", "seed"])["p_fake"], []
    collapsed = ~(p_fake.max() - p_fake.min() > 1e-6)  # so does one that is no number
    for model, about in study.models.items():
        losses = histories(study, model).set_index("seed")[["loss", "val_loss"]]
        diverged = ~np.isfinite(losses).all(axis=1).groupby("seed").all()
        for failed, what in ((diverged, DIVERGED), (collapsed[model], COLLAPSED)):
            if seeds := [str(seed) for seed in failed.index[failed]]:
                word = what.format(", ".join(seeds))
                of = f"{len(seeds)} of {len(study.seeds)} seeds {word}"
                sentences.append(f"{about.title}: {of}; they count in every mean.")
    return sentences
